/** `lastgood hooks run`: what Claude Code calls at every event, so it loads as little as it can. */
import { parseArgs } from "node:util";
import { Fault } from "../../fault.ts";
import { readInput } from "../../hooks/hook-input.ts";
import { runHook } from "../../hooks/run-hook.ts";
import { defaultHome, resolveConnection } from "../connect.ts";

/** Never fails: an agent must not break because of its hooks. */
export async function runHookCommand(args: readonly string[]): Promise<void> {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { agent: text, url: text, token: text, home: text },
    allowPositionals: true,
    strict: false,
  });
  const word = (value: unknown) => (typeof value === "string" ? value : undefined);
  const flags = { url: word(values.url), token: word(values.token), home: word(values.home) };
  const { output, said } = await runHook({
    event: positionals[0] ?? "",
    text: await readInput(process.stdin),
    agent: word(values.agent) ?? null,
    home: flags.home ?? defaultHome(),
    connection: () => resolveConnection(flags),
  }).catch((error: unknown) => ({
    output: null,
    said: [error instanceof Fault ? error.message : String(error)],
  }));
  for (const line of said) process.stderr.write(`lastgood: ${line}\n`);
  const out = output === null ? "" : `${JSON.stringify(output)}\n`;
  // What still waits for a server that does not answer is not waited for.
  process.stdout.write(out, () => process.exit(0));
}
