/** Publishes the posts that its inbox asks for. The slug is the effect's key: published once, whatever happens. */
import { consume } from "@lastgood/sdk";
import { startAgent } from "./agent-process.ts";

interface Post {
  readonly slug: string;
  readonly title: string;
  readonly words: number;
}

/** Other messages in the inbox are Lastgood's own word. */
interface Letter {
  readonly type: string;
  readonly post?: Post;
}

const givesUpMs = 1_000;
const { briefing, client, journal } = startAgent();
const stopping = new AbortController();

async function publish(post: Post, message: string): Promise<void> {
  const response = await fetch(`${briefing.service}/articles`, {
    method: "POST",
    body: JSON.stringify({ ...post, author: briefing.name }),
    signal: AbortSignal.timeout(givesUpMs),
  });
  if (response.status !== 200)
    throw new Error(`publishing ${post.slug} answered ${response.status}`);
  journal("effect", { message, effect: post.slug });
}

process.on("disconnect", () => stopping.abort());
process.send?.({ ready: true });
await consume(client, {
  agent: briefing.name,
  signal: stopping.signal,
  async handler({ id, payload }) {
    const { type, post } = payload as Letter;
    if (post === undefined) return journal("told", { message: id, type });
    try {
      await publish(post, id);
      journal("handled", { message: id });
    } catch (error) {
      journal("failed", { message: id, because: String(error) });
      throw error;
    }
  },
});
