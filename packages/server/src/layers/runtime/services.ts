/** What people may ask of services: see them, deploy, stop, read their logs. */
import type { DeployResult, Service, ServiceDetails } from "@lastgood/sdk";
import type { Configuration } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import type { Mirror, Mirrors } from "../../git/mirror.ts";
import type { Db } from "../../store/database.ts";
import { newChangeId, type World } from "../../world.ts";
import type { Deploys } from "./deploys.ts";
import { readRecord, readServiceEvents, writeStopped } from "./runtime-store.ts";
import type { MayDeploy, Reading, RuntimeAdapter, ServiceRecord } from "./service.ts";
import { withServiceLease } from "./service-lease.ts";

export interface ServicesDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly mirrors: Mirrors;
  readonly mayDeploy: MayDeploy;
  readonly deploys: Deploys;
  readonly adapterOf: (service: string) => RuntimeAdapter;
}

export interface DeployOrder {
  /** Null: the branch's tip. */
  readonly revision: string | null;
  readonly reason: string | null;
  readonly override: boolean;
  readonly actor: string;
}

const readMsMax = 5_000;
const deployMsMax = 300_000;
const busyMsMax = 10_000;
const commitsMax = 1_000;
const eventsShown = 50;

export function createServices(deps: ServicesDeps) {
  const { db, world, configuration, mirrors, mayDeploy, deploys, adapterOf } = deps;

  function declared(name: string) {
    const service = configuration.current().services[name];
    if (service !== undefined) return service;
    throw new Fault(
      "not_found",
      `No service ${name.slice(0, 100)} is declared: see \`services\` in lastgood.yaml, or \`lastgood services list\`.`,
    );
  }

  async function summary(name: string): Promise<Service> {
    const { repository, runtime } = declared(name);
    const record = await readRecord(db, name);
    const reading = runtime === undefined ? null : await readOrWhy(adapterOf(name));
    const tip = repository === undefined ? null : await tipOf(mirrors, repository);
    const read = reading instanceof Error ? null : reading;
    return {
      name,
      adapter: runtime?.adapter ?? "none",
      repository: repository ?? null,
      state: stateOf(record, reading),
      because: reading instanceof Error ? reading.message : (read?.trouble ?? null),
      revision: read?.revision ?? null,
      since: (read?.since ?? record.servedSince)?.toISOString() ?? null,
      pid: read?.pid ?? null,
      restarts: read?.restarts ?? 0,
      port: runtime?.adapter === "process" ? runtime.port : null,
      deploy: record.changeId,
      tip,
      pinned: record.pin && { ...record.pin, at: record.pin.at.toISOString() },
      failure: record.failure && { ...record.failure, at: record.failure.at.toISOString() },
      held: record.held && { ...record.held, at: record.held.at.toISOString() },
    };
  }

  /** The commit asked for, or the tip; and whether deploys on push wait afterwards. */
  async function resolve(mirror: Mirror, name: string, revision: string | null) {
    const tip = await mirror.tip();
    if (revision !== null) {
      const { id } = await mirror.commit(revision);
      return { to: id, pin: id === tip ? ("none" as const) : ("person" as const) };
    }
    if (tip !== null) return { to: tip, pin: "none" as const };
    throw new Fault(
      "state_forbids",
      `The branch of ${name} has no commits yet: push one, then deploy.`,
    );
  }

  async function requirePermission(
    name: string,
    repository: string,
    to: string,
    { override, reason }: DeployOrder,
  ): Promise<void> {
    if (override && reason !== null) return;
    if (override) {
      throw new Fault("bad_input", "An override needs a reason: say why it may go out.", {
        context: { path: "body/reason" },
      });
    }
    const { served } = await readRecord(db, name);
    const commits = await (await mirrors.of(repository)).commitsBetween(served, to, commitsMax);
    const answer = await mayDeploy(
      repository,
      commits.map((commit) => commit.id),
    );
    if (answer.ok) return;
    throw new Fault(
      "was_rolled_back",
      `${to.slice(0, 12)} is not deployed to ${name}: ${answer.because}. Deploy another revision, or override with a reason.`,
      { context: { deployable: answer.deployable } },
    );
  }

  return {
    async list(): Promise<readonly Service[]> {
      return await Promise.all(Object.keys(configuration.current().services).map(summary));
    },

    async show(name: string): Promise<ServiceDetails> {
      const service = await summary(name);
      const events = await readServiceEvents(db, name, eventsShown);
      const readable = service.adapter !== "none" && service.state !== "unreadable";
      const adapter = readable ? adapterOf(name) : null;
      const signal = AbortSignal.timeout(readMsMax * 2);
      return {
        ...service,
        unhealthy: adapter === null ? service.because : await adapter.health(signal),
        drift:
          adapter === null || service.revision === null
            ? null
            : await adapter.drift(service.revision, signal),
        events: events.map((each) => ({ ...each, at: each.at.toISOString() })),
      };
    },

    /** Resolves when it is served and what served before has ended. Fault `not_healthy` otherwise. */
    async deploy(name: string, order: DeployOrder): Promise<DeployResult> {
      const { repository } = declared(name);
      const adapter = adapterOf(name);
      if (repository === undefined) {
        throw new Fault(
          "bad_configuration",
          `${name} names no repository: add \`repository\` to it in lastgood.yaml.`,
        );
      }
      const { to, pin } = await resolve(await mirrors.of(repository), name, order.revision);
      await requirePermission(name, repository, to, order);
      await writeStopped(db, name, null);
      const done = await deploys.deploy(
        {
          service: name,
          to,
          pin,
          changeId: newChangeId(world),
          actor: order.actor,
          reason: order.reason ?? `deployed by ${order.actor}`,
          waitMs: busyMsMax,
        },
        AbortSignal.timeout(deployMsMax),
      );
      if (done.outcome === "served") {
        return { revision: to, already: done.already, since: done.since.toISOString() };
      }
      throw new Fault(
        "not_healthy",
        `${to.slice(0, 12)} is not served by ${name}: ${done.because}. ${whereOutputIs(adapter, done.output)}`,
        { context: { output: done.output.slice(-2_000) } },
      );
    },

    /** Ends what serves it, and keeps it so until it is deployed again. */
    async stop(name: string): Promise<boolean> {
      declared(name);
      const adapter = adapterOf(name);
      const signal = AbortSignal.timeout(deployMsMax);
      await withServiceLease({ db, world }, name, { waitMs: busyMsMax, signal }, async (held) => {
        await adapter.stop(held);
        await writeStopped(db, name, world.now());
      });
      return true;
    },

    async logs(name: string, bytes: number): Promise<string> {
      declared(name);
      const text = await adapterOf(name).logs(bytes);
      if (text !== null) return text;
      throw new Fault("state_forbids", `${name} is run by your own commands: its logs are theirs.`);
    },
  };
}

/** A process's output is kept; what a command of the user's said is told at once, its last line. */
function whereOutputIs({ kind, service }: RuntimeAdapter, output: string): string {
  if (kind === "process") {
    return `What served before still does; its output is in \`lastgood services logs ${service}\`.`;
  }
  const last = output.trim().split("\n").at(-1)?.slice(0, 500) ?? "";
  return `It said: ${last === "" ? "nothing" : last}`;
}

export type Services = ReturnType<typeof createServices>;

async function readOrWhy(adapter: RuntimeAdapter): Promise<Reading | Error> {
  try {
    return await adapter.read(AbortSignal.timeout(readMsMax));
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function tipOf(mirrors: Mirrors, repository: string): Promise<string | null> {
  try {
    return await (await mirrors.of(repository)).tip();
  } catch (error) {
    if (error instanceof Fault) return null;
    throw error;
  }
}

function stateOf(record: ServiceRecord, reading: Reading | Error | null): Service["state"] {
  if (reading instanceof Error) return "unreadable";
  if (reading === null) return "not-serving";
  return reading.revision === null && record.stoppedAt !== null ? "stopped" : reading.state;
}
