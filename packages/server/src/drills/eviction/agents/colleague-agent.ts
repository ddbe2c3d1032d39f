/** Writes to others when it is told to, asks for the post where it is the editor, and reads what it gets. */
import { type Letter, role, type Story, tellStory, writer } from "../story.ts";
import { startAgent } from "./agent-process.ts";

/** The index of one of the story's letters, or the post itself. */
export type ColleagueOrder = { readonly send: number } | { readonly ask: "post" };

const { briefing, client, journal } = startAgent();
const { seed, variant } = briefing;
const story = tellStory(seed, variant);
const session = await client.session();

async function send({ id, type, text }: Letter): Promise<void> {
  await session.client.publishMessage({ ...to(story), id, payload: { type, text } });
  journal("sent", { message: id });
}

/** Lastgood tells the assignee by message. */
async function ask({ task, post }: Story): Promise<void> {
  await session.client.assignTask({
    id: task,
    title: post.title,
    ...to(story),
    subtasks: post.sections.map(({ title }) => title),
    artifact: { path: post.path, repository: "content" },
    details: { slug: post.slug },
  });
  journal("assigned", { task });
}

/** Where nobody is sure to come back, what is for the role goes to whoever of it is there. */
function to(told: Story): { readonly agent: string } | { readonly role: string } {
  return told.variant === "takeover" ? { role } : { agent: writer };
}

async function obey(order: ColleagueOrder): Promise<void> {
  if ("ask" in order) return await ask(story);
  const letter = story.letters[order.send];
  if (letter === undefined) throw new Error(`the story has no letter ${order.send}`);
  await send(letter);
}

process.on("message", (order: ColleagueOrder) => {
  obey(order).then(
    () => process.send?.({ done: true }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on("disconnect", () => {
  void session.end("stopped").finally(() => process.exit(0));
});
process.send?.({ ready: true });
await session.inbox(({ id, payload }) => journal("told", { message: id, payload }));
