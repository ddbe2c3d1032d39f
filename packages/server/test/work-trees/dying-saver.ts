/** Saves a work tree over and over until it is killed: `node dying-saver.ts <tree> <home> <session>`. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { openWorkTree } from "../../src/work-trees/inspect.ts";
import { createSaver } from "../../src/work-trees/save-work-tree.ts";

const [path = "", home = "", session = ""] = process.argv.slice(2);
const saver = createSaver(await openWorkTree(path, { home }), session);
for (let n = 0; ; n++) {
  for (let file = 0; file < 30; file++) appendFileSync(join(path, `${file}.md`), `${n} words\n`);
  const { save } = await saver.save("change", AbortSignal.timeout(150_000));
  // Its parent notes what was acknowledged.
  process.stdout.write(`${save.id}\n`);
}
