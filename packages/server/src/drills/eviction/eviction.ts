/**
 * Eviction: whoever writes the post is killed with half a section uncommitted, a message in its hands and an
 * effect under way. The next one must go on from the very word, and nothing may be lost or done twice. The story
 * is played twice, once without the kill: what comes of it must be the same to the byte.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Drill, DrillOptions, DrillReport } from "../drill.ts";
import { narrator } from "../narrator.ts";
import { openFolder, openToOthers } from "../set-stage.ts";
import { play } from "./play.ts";
import { reportOf } from "./report.ts";
import { nameOf, tellStory, type Variant, variants } from "./story.ts";

export const eviction: Drill = {
  name: "eviction",
  summary: "an agent is killed in the middle of its work: the next goes on from the very word",
  variants,
  run,
};

async function run(options: DrillOptions): Promise<DrillReport> {
  await using stage = new AsyncDisposableStack();
  const folder = await openFolder(stage, "eviction", options);
  const other = join(folder, "uninterrupted");
  await mkdir(other, { recursive: true });
  await openToOthers(other);
  const told = narrator(options);
  const story = tellStory(options.seed, options.variant as Variant | null);
  const { variant, kill, post } = story;
  told("drill", `seed ${story.seed}, variant ${variant}: ${post.words} words are asked for`);
  // Which engine carries the messages makes no difference to what is written: it has the embedded one.
  const uninterrupted = await play(
    { ...options, natsUrl: null },
    { story, folder: other, told, interrupt: false },
  );
  told("drill", `now with an interruption at "${nameOf(kill.point)}"`);
  const played = await play(options, { story, folder, told, interrupt: true });
  return reportOf({ played, uninterrupted, timeline: told.timeline });
}
