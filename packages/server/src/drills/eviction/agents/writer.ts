/**
 * Writes the post: for each section its words, its picture, a commit. Where to go on is what the brief says:
 * the writer keeps nothing of its own but what it read there.
 */
import {
  type AgentSession,
  Fault,
  type MessageDelivery,
  type SessionHandling,
  type Task,
} from "@lastgood/sdk";
import { type Section, sectionCount, textBetween } from "../post.ts";
import { chunkWords, type Point, type Story } from "../story.ts";
import type { AgentProcess } from "./agent-process.ts";
import { effectOnce } from "./effect-once.ts";
import type { WorkTree } from "./work-tree.ts";

export interface Writer {
  /** Before anything else, and whenever the memory is gone. */
  readBrief(): Promise<void>;
  writePost(task: string, message: MessageDelivery, handling: SessionHandling): Promise<void>;
}

interface WriterDeps {
  readonly agent: AgentProcess;
  readonly session: AgentSession;
  readonly story: Story;
  readonly tree: WorkTree;
}

/** All that it knows: how many sections are done, and how many words are there. */
interface Memory {
  readonly task: string;
  readonly done: number;
  readonly words: number;
}

/** What the agent knew is gone, though it lives: its context was compacted. */
class Forgotten extends Error {
  override readonly name = "Forgotten";
}

export function createWriter({ agent, session, story, tree }: WriterDeps): Writer {
  const { journal, outside } = agent;
  const { post, kill } = story;
  let memory: Memory | null = null;

  function reach(point: Point): void {
    if (agent.announce(point) === "forget") throw new Forgotten();
  }

  async function readBrief(): Promise<void> {
    // What a dead one left is looked at first, as it is; otherwise what others did meanwhile comes first.
    if (session.recovery === "fresh") await tree.pull();
    const began = performance.now();
    const { conclusion, workTree, effects, messages } = await session.brief();
    const tookMs = Math.round((performance.now() - began) * 10) / 10;
    journal("briefed", {
      ...{ session: session.id, tookMs, conclusion },
      effects: effects.map(({ id }) => id),
      messages: messages.map(({ id, deliveries }) => ({ id, deliveries })),
      source: workTree?.source ?? null,
    });
    tree.clear(workTree?.leftovers ?? []);
    await tree.pull();
    await tree.push();
    const { task, subtask, artifact } = conclusion;
    if (task === null) return;
    const done = subtask === null ? sectionCount : subtask.n - 1;
    // A file that is not there has none.
    const words = artifact?.words ?? 0;
    memory = { task, done, words };
  }

  async function writePost(
    id: string,
    message: MessageDelivery,
    handling: SessionHandling,
  ): Promise<void> {
    const task = await claim(id);
    if (task === null) return;
    for (;;) {
      try {
        if (memory?.task !== id) await readBrief();
        return await goOn(task, message, handling);
      } catch (error) {
        if (!(error instanceof Forgotten)) throw error;
        memory = null;
        journal("forgot", {});
      }
    }
  }

  /** Null where it is done: the message came again after the work was. */
  async function claim(id: string): Promise<Task | null> {
    try {
      return await session.tasks.claim(id);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "state_forbids") throw error;
      if ((await session.client.task(id)).state !== "completed") throw error;
      return null;
    }
  }

  async function goOn(
    task: Task,
    message: MessageDelivery,
    handling: SessionHandling,
  ): Promise<void> {
    const { done, words } = memory ?? { done: 0, words: 0 };
    journal("resumed", { session: session.id, task: task.id, done, word: words });
    for (const { n, state } of task.subtasks) {
      if (n <= done && state !== "completed") await session.tasks.subtask(task.id, n, "completed");
    }
    for (const section of post.sections.slice(done)) {
      await session.tasks.subtask(task.id, section.n, "in_progress");
      await writeWords(section);
      await showPicture(task, section, message, handling);
      await commit(task, section);
      await session.tasks.subtask(task.id, section.n, "completed");
    }
    await publish(task, message, handling);
    await session.tasks.complete(task.id, { slug: post.slug });
  }

  /** The point is reached before the words that come after it. */
  async function writeWords({ n, endsAfter }: Section): Promise<void> {
    const last = post.sections[n - 2]?.endsAfter ?? 0;
    for (;;) {
      const words = memory?.words ?? 0;
      const past = words - last;
      const of = `section ${n}`;
      if (past === kill.savedWords) await agent.rest({ step: "words that are saved", of });
      if (past === kill.words) reach({ step: "words past the last commit", of });
      if (words >= endsAfter) return;
      const to = Math.min(words + chunkWords, endsAfter);
      tree.append(post.path, textBetween(post, words, to));
      if (memory !== null) memory = { ...memory, words: to };
      journal("wrote", { section: n, from: words, to });
    }
  }

  async function showPicture(
    task: Task,
    { n, picture, title }: Section,
    message: MessageDelivery,
    handling: SessionHandling,
  ): Promise<void> {
    const body = `<svg xmlns="http://www.w3.org/2000/svg"><title>${title}</title></svg>`;
    await outward(
      `picture ${n}`,
      { kind: "picture", name: picture, body },
      task,
      message,
      handling,
    );
  }

  async function publish(task: Task, message: MessageDelivery, handling: SessionHandling) {
    const thing = { kind: "post", name: post.slug, body: tree.read(post.path) };
    await outward("post", thing, task, message, handling);
  }

  async function outward(
    of: string,
    thing: { readonly kind: string; readonly name: string; readonly body: string },
    task: Task,
    message: MessageDelivery,
    handling: SessionHandling,
  ): Promise<void> {
    await effectOnce(session, message, handling, {
      ...{ key: of, kind: thing.kind, task: task.id },
      async run(key) {
        agent.announce({ step: "before effect dispatch", of });
        const { url } = await outside.send({ key, ...thing });
        journal("effect", { message: message.id, effect: key, kind: thing.kind, name: thing.name });
        agent.announce({ step: "between effect and confirm", of });
        return { url };
      },
      lookup: (key) => outside.find(key),
    });
    agent.announce({ step: "after effect", of });
  }

  async function commit(task: Task, { n, title }: Section): Promise<void> {
    reach({ step: "before commit", of: `section ${n}` });
    await session.checkpoint({
      ...{ type: "feat", scope: "blog", summary: `${post.title} - ${title}` },
      ...{ task: task.id, subtask: { n, of: sectionCount } },
      async commit(message) {
        const made = await tree.commit(message);
        journal("committed", { commit: made, section: n });
        agent.announce({ step: "after commit", of: `section ${n}` });
        await tree.push();
        return made;
      },
    });
    if (memory !== null) memory = { ...memory, done: n };
  }

  return { readBrief, writePost };
}
