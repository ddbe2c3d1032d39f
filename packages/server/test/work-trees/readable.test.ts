import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Configuration, configSchema } from "../../src/config/config.ts";
import { mayRead } from "../../src/work-trees/readable.ts";

test("only below what a person named does the server read, and no link leads out of it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-readable-"));
  try {
    const [project, other] = [join(folder, "project"), join(folder, "other")];
    await mkdir(join(project, "trees/marketing"), { recursive: true });
    await mkdir(join(other, "marketing"), { recursive: true });
    await symlink(other, join(project, "way-out"));
    const config = configSchema.parse({
      agents: { marketing: { workTrees: ["../other"] }, lead: {} },
    });
    const file = {} as NonNullable<Configuration["file"]>;
    const withFile: Configuration = { base: project, current: () => config, file };
    const without: Configuration = { base: project, current: () => config };
    assert.equal(mayRead(withFile, "lead", join(project, "trees/marketing")), true);
    assert.equal(mayRead(withFile, "lead", project), true);
    assert.equal(mayRead(withFile, "lead", join(other, "marketing")), false);
    assert.equal(mayRead(withFile, "lead", join(project, "way-out/marketing")), false);
    assert.equal(mayRead(withFile, "lead", join(project, "../other/marketing")), false);
    assert.equal(mayRead(withFile, "lead", "/"), false);
    assert.equal(mayRead(withFile, "lead", "trees/marketing"), false);
    assert.equal(mayRead(withFile, "marketing", join(other, "marketing")), true);
    assert.equal(mayRead(without, "lead", join(project, "trees/marketing")), false);
    assert.equal(mayRead(without, "constructor", join(other, "marketing")), false);
    const rooted: Configuration = { ...withFile, base: "/" };
    assert.equal(mayRead(rooted, "lead", "/etc"), false);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
