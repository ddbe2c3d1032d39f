/** What is watched, and what can be put back. */
import { join } from "node:path";
import { createSessionReads, type SessionReads } from "../brief/session-reads.ts";
import type { Closing } from "../closing.ts";
import { createDeployGate, createHeldBack } from "../fleet/deploy-gate.ts";
import { type Code, createCode } from "../layers/code/code.ts";
import { createEffects, type Effects } from "../layers/effects/effects.ts";
import type { PutPart } from "../layers/messages/claim-check.ts";
import { createMessages, type Messages } from "../layers/messages/messages.ts";
import { createRuntime, type Runtime } from "../layers/runtime/create-runtime.ts";
import { createState, type State } from "../layers/state/state.ts";
import { isVerifiedStep } from "../recovery/recovery-store.ts";
import type { Sandboxes } from "../sandbox/sandbox.ts";
import { createSandboxServer } from "../sandbox/sandbox-server.ts";
import { createSandboxes } from "../sandbox/sandboxes.ts";
import { createSignals, type Signals } from "../signals/signals.ts";
import { createTasks, type Tasks } from "../tasks/tasks.ts";

import type { Ground, Seams } from "./ground.ts";
import { openVersions, type Versions } from "./versions.ts";

export interface Reached extends Versions {
  readonly signals: Signals;
  readonly messages: Messages;
  readonly tasks: Tasks;
  readonly effects: Effects;
  readonly code: Code;
  readonly state: State;
  readonly reads: SessionReads;
  readonly runtime: Runtime;
  readonly sandboxes: Sandboxes;
}

/** Content that is too large for a stream becomes documents, in its sender's name. */
function putPartInto({ documents }: State): PutPart {
  return async ({ collection, id, body, sender }) => {
    const author = { agent: sender, task: null, session: null, reason: "content of a message" };
    await documents.put({ collection, id }, { body, expect: null }, author);
  };
}

/** How the judge of releases has requests copied that it has no control for: all, as far as the gateway can. */
const copying = { percent: 100, forMs: 600_000, by: "signals" } as const;

/** What is watched, and what can be put back. */
export async function openWorld(ground: Ground, seams: Seams, closing: Closing): Promise<Reached> {
  const signals = await createSignals({
    ...ground,
    controls: {
      begin: async (asked) => void (await gateway.mirrors.start({ ...copying, ...asked })),
      end: async (where, artifact) => void (await gateway.mirrors.end(where, artifact)),
    },
  });
  closing.add(() => signals.stop());
  const reads = createSessionReads(ground);
  closing.add(() => reads.stop());
  const state = createState({ ...ground, onRead: reads.note });
  const messages = await createMessages({ ...ground, putPart: putPartInto(state) });
  closing.add(() => messages.stop());
  const tasks = createTasks({ ...ground, inboxes: messages.inboxes });
  closing.add(() => tasks.stop());
  const effects = createEffects(ground);
  closing.add(() => effects.stop());
  const versions = await openVersions(ground, signals, seams, closing);
  const { gateway } = versions;
  const code = await createCode({ ...ground, heldBack: createHeldBack(ground.db) });
  closing.add(() => code.stop());
  const { mirrors } = code;
  const environment = process.env;
  const folder = join(ground.home, "sandboxes");
  const server = createSandboxServer({
    home: join(ground.home, "sandbox-postgres"),
    otherwise: ground.databaseUrl,
    log: ground.log,
  });
  const sandboxes = createSandboxes({ ...ground, mirrors, server, folder, environment });
  closing.add(() => sandboxes.close());
  await sandboxes.sweep();
  const runtime = createRuntime({
    ...ground,
    ...{ mirrors, environment },
    tips: code.watch,
    mayDeploy: createDeployGate(ground.db, code.admit),
    isRecovered: (step) => isVerifiedStep(ground.db, step),
    served: sandboxes.warm,
  });
  runtime.onRunning(({ service, at, ok }) => signals.ingest([runningSample(service, at, ok)]));
  const deploying = runtime.start();
  closing.add(() => deploying.stop());
  return {
    ...versions,
    ...{ signals, messages, tasks, effects, code, state, reads, runtime, sandboxes },
  };
}

function runningSample(service: string, at: Date, ok: boolean) {
  return {
    service,
    signal: "running",
    at: at.getTime(),
    ok,
    hard: ok ? null : ("exit" as const),
    value: null,
    key: null,
    dimensions: null,
  };
}
