import type { Client, InFlightPolicy } from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import { withServer } from "../command.ts";
import { count } from "../count.ts";
import type { LangfuseImport } from "../langfuse.ts";
import { readContent } from "../release-words.ts";

interface ImportOptions {
  readonly inFlight?: InFlightPolicy;
  readonly preview?: boolean;
}

export function importCommands(program: Command): void {
  const imports = program
    .command("import")
    .summary("take over what another tool holds")
    .description("Takes over releases and pins from another tool.");
  imports
    .command("langfuse")
    .argument("<file>", "an export of prompts, as JSON")
    .summary("prompts become releases, their labels pins")
    .description(
      "Publishes each version of each prompt, and pins the labelled one in the environment that the label " +
        "names. `latest` is no pin. Repeating it changes nothing that is there already.\n\n" +
        "  lastgood import langfuse prompts.json --preview\n" +
        "  lastgood import langfuse prompts.json --in-flight switch",
    )
    .option("--in-flight <policy>", "for those without one: finish-old, switch or cancel-retry")
    .option("--preview", "only show what would be done")
    .action(
      withServer<ImportOptions, [string]>(
        async ({ client, terminal }, { inFlight, preview = false }, file) => {
          const { readLangfuse } = await import("../langfuse.ts");
          const found = readLangfuse(readContent(file, true));
          for (const { from, to } of found.renamed)
            terminal.line(`"${from}" is called ${to} here.`);
          for (const each of found.left) terminal.line(`Left out: ${each}.`);
          const done = preview ? null : await take(client, found, inFlight);
          terminal.result({ ...found, ...(done ?? {}), preview });
          const { releases, pins } = found;
          terminal.table(
            ["ENVIRONMENT", "ARTIFACT", "PINNED"],
            pins.map((pin) => [pin.environment, pin.artifact, pin.version]),
          );
          terminal.line(
            done === null
              ? `${count(releases.length, "release")} and ${count(pins.length, "pin")} would be taken over. Nothing was done.`
              : `${done.published} of ${count(releases.length, "release")} were new, ${done.pinned} of ${count(pins.length, "pin")} moved.`,
          );
        },
      ),
    );
}

/** Everything is published before anything is pinned. */
async function take(
  client: Client,
  { releases, pins }: LangfuseImport,
  inFlight: InFlightPolicy | undefined,
): Promise<{ readonly published: number; readonly pinned: number }> {
  let [published, pinned] = [0, 0];
  for (const { artifact, ...release } of releases) {
    const { already } = await client.publishRelease(artifact, { ...release, kind: "prompt" });
    if (!already) published += 1;
  }
  const pinnedHere = new Set(pins.map(({ artifact }) => artifact));
  const unchosen = new Set(
    (await client.artifacts()).artifacts
      .filter(({ name, inFlight }) => inFlight === null && pinnedHere.has(name))
      .map(({ name }) => name),
  );
  if (unchosen.size > 0 && inFlight === undefined) {
    const some = [...unchosen].slice(0, 5).join(", ");
    throw new Fault(
      "policy_missing",
      `The releases are published, and nothing is pinned: ${some} have no in-flight policy. Repeat with --in-flight finish-old, switch or cancel-retry (prompts whose users have no effects outside: switch).`,
      { context: { artifacts: [...unchosen] } },
    );
  }
  for (const { environment, artifact, version } of pins) {
    // The first pin of an artifact chooses its policy.
    const policy = unchosen.delete(artifact) ? { inFlight } : {};
    const because = "its label in Langfuse";
    const pin = await client.deployRelease(environment, artifact, { version, because, ...policy });
    if (!pin.already) pinned += 1;
  }
  return { published, pinned };
}
