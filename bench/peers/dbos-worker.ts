/**
 * The work as DBOS' documentation has it: a workflow for each task, whose id is the task's, and a step for each
 * outside call. `DBOS.launch()` recovers what the process before had begun; starting a workflow under an id that
 * is taken begins nothing, and waits for the one that is there.
 */
import { DBOS } from "@dbos-inc/dbos-sdk";
import { createAct, kindOf } from "./act.ts";
import { type PeerBriefing, readBriefing } from "./briefing.ts";
import { say } from "./said.ts";

const briefing = readBriefing<PeerBriefing>();
const { tasks, steps, databaseUrl, prepares, queuePollMs } = briefing;
const act = createAct(briefing);
const queueName = "work";

const workflow = DBOS.registerWorkflow(workOn, { name: "workOn" });
say({ say: "loaded" });
DBOS.setConfig({ name: "peers", systemDatabaseUrl: databaseUrl, logLevel: "error" });
await DBOS.launch();
if (queuePollMs !== null) {
  await DBOS.registerQueue(queueName, { concurrency: 1, minPollingIntervalMs: queuePollMs });
}
if (!prepares) await workOnAll();
await DBOS.shutdown();

async function workOnAll(): Promise<void> {
  const queued = queuePollMs === null ? {} : { queueName };
  // How soon it learns of a result says nothing of how soon it resumes: it only makes the run shorter.
  const polled = queuePollMs === null ? {} : { pollingIntervalMs: queuePollMs };
  for (const task of tasks) {
    const handle = await DBOS.startWorkflow(workflow, { workflowID: task, ...queued })(task);
    await handle.getResult(polled);
    say({ say: "completed", task });
  }
  say({ say: "finished" });
}

async function workOn(task: string): Promise<void> {
  for (let step = 1; step <= steps; step++) {
    const run = () => act({ task, step, key: `${DBOS.workflowID}-${DBOS.stepID}` });
    await DBOS.runStep(run, { name: kindOf(step) });
  }
}
