/** Makes a git directory hostile: all that it names as a command leaves a file behind when it is run. */
import { appendFileSync, chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const hooks = [
  ...["pre-receive", "update", "post-receive", "post-update", "reference-transaction"],
  ...["push-to-checkout", "proc-receive", "pre-auto-gc", "post-checkout", "post-index-change"],
  ...["pre-push", "fsmonitor-watchman", "pre-commit", "post-merge", "post-rewrite"],
];

/** Fills a git directory with commands; each leaves `canaries/<name>` behind. Returns who sang. */
export function infest(gitDirectory: string, canaries: string): () => readonly string[] {
  mkdirSync(canaries, { recursive: true });
  const command = (name: string) => {
    const path = join(canaries, `${name}.sh`);
    writeFileSync(path, `#!/bin/sh\ntouch "${join(canaries, `${name}.sang`)}"\n`);
    chmodSync(path, 0o755);
    return path;
  };
  mkdirSync(join(gitDirectory, "hooks"), { recursive: true });
  for (const hook of hooks) {
    writeFileSync(
      join(gitDirectory, "hooks", hook),
      `#!/bin/sh\ntouch "${join(canaries, `hook-${hook}.sang`)}"\n`,
      { mode: 0o755 },
    );
  }
  const settings = [
    `[core]\n\tfsmonitor = ${command("fsmonitor")}\n\talternateRefsCommand = ${command("alternates")}`,
    `\tsshCommand = ${command("ssh")}\n\tpager = ${command("pager")}\n\taskPass = ${command("askpass")}`,
    `\tgitProxy = ${command("proxy")}\n\teditor = ${command("editor")}\n\thooksPath = ${join(gitDirectory, "hooks")}`,
    `[uploadpack]\n\tpackObjectsHook = ${command("pack-objects")}\n\tallowFilter = true`,
    `[diff]\n\texternal = ${command("diff")}`,
    `[diff "x"]\n\ttextconv = ${command("textconv")}\n\tcommand = ${command("diff-x")}`,
    `[filter "x"]\n\tclean = ${command("clean")}\n\tsmudge = ${command("smudge")}\n\tprocess = ${command("process")}`,
    `[merge "x"]\n\tdriver = ${command("merge")}`,
    `[gpg]\n\tprogram = ${command("gpg")}`,
    `[credential]\n\thelper = "!${command("credential")}"`,
    `[protocol "ext"]\n\tallow = always`,
    `[alias]\n\tupload-pack = "!${command("alias-upload")}"\n\treceive-pack = "!${command("alias-receive")}"`,
    `[trailer "x"]\n\tcommand = ${command("trailer")}`,
    `[receive]\n\tautogc = true\n\tdenyCurrentBranch = updateInstead`,
    `[gc]\n\tauto = 1\n\tautoDetach = false\n\trecentObjectsHook = ${command("gc")}`,
    `[remote "origin"]\n\turl = ext::${command("ext")}\n\tuploadpack = ${command("lazy")}\n\tpromisor = true`,
    `[submodule "x"]\n\tupdate = "!${command("submodule")}"\n\turl = ext::${command("submodule-url")}`,
  ];
  appendFileSync(join(gitDirectory, "config"), `${settings.join("\n")}\n`);
  mkdirSync(join(gitDirectory, "objects/info"), { recursive: true });
  return () => readdirSync(canaries).filter((name) => name.endsWith(".sang"));
}
