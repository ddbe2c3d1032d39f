/** `npm run build`: the packages as they are published, in `packages/*` + `/dist`, always from scratch. */
import { execFileSync } from "node:child_process";
import { cp, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const packages = ["sdk", "server"].map((name) => join(root, "packages", name));

for (const folder of packages) {
  await rm(join(folder, "dist"), { recursive: true, force: true });
  await rm(join(folder, "tsconfig.tsbuildinfo"), { force: true });
}
execFileSync(join(root, "node_modules/.bin/tsc"), ["-b", ...packages], { stdio: "inherit" });

for (const folder of packages) {
  const src = join(folder, "src");
  for (const file of await readdir(src, { recursive: true, encoding: "utf8" })) {
    if (file.endsWith(".sql")) await cp(join(src, file), join(folder, "dist", file));
  }
  await cp(join(root, "LICENSE"), join(folder, "LICENSE"));
}
