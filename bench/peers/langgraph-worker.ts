/**
 * The work as LangGraph's documentation has it: a thread for each task, a node that acts once on the outside and
 * is come back to until the steps are done, a checkpoint after each. A thread that was begun is resumed by
 * invoking it with `null`. Of the three durabilities it is the highest, "sync": each checkpoint is written
 * before the next node begins.
 */
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import { createAct, kindOf } from "./act.ts";
import { type PeerBriefing, readBriefing } from "./briefing.ts";
import { say } from "./said.ts";

const briefing = readBriefing<PeerBriefing>();
const { tasks, steps, databaseUrl, prepares } = briefing;
const act = createAct(briefing);

const Work = Annotation.Root({
  task: Annotation<string>,
  receipts: Annotation<string[]>({
    reducer: (before, more) => [...before, ...more],
    default: () => [],
  }),
});

say({ say: "loaded" });
const checkpointer = PostgresSaver.fromConnString(databaseUrl);
const graph = new StateGraph(Work)
  .addNode("step", async ({ task, receipts }) => {
    const step = receipts.length + 1;
    return { receipts: [await act({ task, step, key: `${task} ${kindOf(step)}` })] };
  })
  .addEdge(START, "step")
  .addConditionalEdges("step", ({ receipts }) => (receipts.length < steps ? "step" : END))
  .compile({ checkpointer });

if (prepares) await checkpointer.setup();
else await workOnAll();
await checkpointer.end();

async function workOnAll(): Promise<void> {
  for (const task of tasks) {
    const thread = { configurable: { thread_id: task } };
    // Whether it was begun is all that is asked of it: `next` is empty not only where a thread is finished, but
    // also where a node's writes are kept and the checkpoint after it is not. `null` does no harm to a finished one.
    const { createdAt } = await graph.getState(thread);
    const input = createdAt === undefined ? { task } : null;
    await graph.invoke(input, { ...thread, durability: "sync" });
    say({ say: "completed", task });
  }
  say({ say: "finished" });
}
