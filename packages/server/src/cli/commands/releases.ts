import type { ArtifactKind, ArtifactSettings, InFlightPolicy, Release } from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import { withServer } from "../command.ts";
import { count } from "../count.ts";
import { namedRelease, readContent, scoresOf } from "../release-words.ts";
import type { Terminal } from "../terminal.ts";

export function releaseCommands(program: Command): void {
  publishCommand(program);
  const releases = program
    .command("releases")
    .summary("the versions of an artifact: see, score, approve them")
    .description(
      "A release is one version of an artifact, and never changes. What is added later stands beside it: " +
        "scores, approvals, and the bar of what was rolled back.\n\n" +
        "  lastgood releases list customer-service\n" +
        "  lastgood releases approve customer-service:2.0.3 --note 'read it'",
    );
  readCommands(releases);
  besideCommands(releases);
  becauseCommands(releases);
  artifactCommands(program);
}

interface PublishOptions {
  readonly content?: string;
  readonly asJson?: boolean;
  readonly reference?: string;
  readonly parent?: string;
  readonly notes?: string;
  readonly score?: readonly string[];
}

function publishCommand(program: Command): void {
  program
    .command("publish")
    .argument("<release...>", "customer-service:2.0.3, with its kind before it the first time")
    .summary("publish a release: an explicit version of an artifact")
    .description(
      "Publishes one version. The same again changes nothing; other content under the version is refused: " +
        "publish it under another one.\n\n" +
        "  lastgood publish spec customer-service:2.0.3 --content spec.md --score accuracy=0.98\n" +
        "  lastgood publish image engine:2.4.0 --reference registry.example/engine@sha256:0123",
    )
    .option(
      "--content <file>",
      "what it holds: JSON from a .json file, otherwise text; - for stdin",
    )
    .option("--as-json", "the content is JSON, whatever the file is called")
    .option("--reference <text>", "what it names, such as an image's digest or a model's name")
    .option("--parent <version>", "the version that it was made from")
    .option("--notes <text>", "what changed")
    .option("--score <name=value...>", "what it was measured at")
    .action(
      withServer<PublishOptions, [readonly string[]]>(
        async ({ client, terminal }, options, words) => {
          const { artifact, version, kind } = namedRelease(words);
          const { content, asJson = false, reference, parent, notes, score } = options;
          if ((content === undefined) === (reference === undefined)) {
            throw new Fault("bad_input", "Give one of --content and --reference.", {
              context: { path: "--content" },
            });
          }
          const release = await client.publishRelease(artifact, {
            ...{ version, kind, reference, parent, notes, scores: scoresOf(score) },
            content: content === undefined ? undefined : readContent(content, asJson),
          });
          terminal.result(release);
          const digest = release.digest.slice(0, 12);
          const word = release.already ? "was published before" : "is published";
          terminal.line(`${artifact}:${version} ${word} (sha256 ${digest}).`);
        },
      ),
    );
}

function readCommands(releases: Command): void {
  releases
    .command("list", { isDefault: true })
    .argument("<artifact>")
    .summary("newest first")
    .option("--limit <n>", "at most this many (1 to 1000)", Number, 100)
    .action(
      withServer<{ limit: number }, [string]>(async ({ client, terminal }, { limit }, artifact) => {
        const page = await client.releasesOf(artifact, { limit });
        terminal.result(page);
        terminal.table(
          ["VERSION", "PUBLISHED", "AUTHOR", "SHA256", "SCORES", "APPROVED", "NOTE"],
          page.releases.map((release) => [
            cut(release.version, 18),
            `${release.publishedAt.slice(0, 16)}Z`,
            cut(release.author, 16),
            release.digest.slice(0, 8),
            count(release.scores.length, "score"),
            `by ${release.approvals.length}`,
            cut(noteOn(release), 31),
          ]),
        );
        if (page.releases.length === 0) terminal.line("Nothing was published of it.");
        else terminal.line(`All of one: lastgood releases show ${artifact}:VERSION`);
        if (page.more) terminal.line("There are more: raise --limit.");
      }),
    );

  releases
    .command("show")
    .argument("<release>")
    .summary("one, with its content")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _options, named) => {
        const { artifact, version } = namedRelease([named]);
        const release = await client.release(artifact, version);
        terminal.result(release);
        showRelease(terminal, release);
        if (release.content !== undefined) {
          const { content } = release;
          terminal.line();
          terminal.line(typeof content === "string" ? content : JSON.stringify(content, null, 2));
        }
      }),
    );
}

/** Lists fit a terminal of 120 columns; `show` and `--json` have all of it. */
function cut(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, letters - 3)}...`;
}

function noteOn({ retiredAt, barred }: Release): string {
  if (barred !== null)
    return `rolled back${barred.incident === null ? "" : ` in ${barred.incident}`}`;
  return retiredAt === null ? "" : "retired";
}

function showRelease(terminal: Terminal, release: Release): void {
  const { barred, retiredAt } = release;
  const facts: readonly (readonly [string, string | null])[] = [
    ["release", `${release.artifact}:${release.version}`],
    ["sha256", release.digest],
    ["reference", release.reference],
    ["author", release.author],
    ["published", release.publishedAt],
    ["made from", release.parent],
    ["notes", release.notes === "" ? null : release.notes],
    ...release.scores.map(({ name, value, by }) => [name, `${value} (${by})`] as const),
    ...release.approvals.map(({ by, at, note }) => ["approved", `${by} ${at} ${note}`] as const),
    ["rolled back", barred === null ? null : `${barred.at} by ${barred.by}: ${barred.because}`],
    ["retired", retiredAt],
  ];
  terminal.facts(facts);
}

function besideCommands(releases: Command): void {
  releases
    .command("approve")
    .argument("<release>")
    .summary("approve one; its author's own approval is no review")
    .option("--note <text>", "what you looked at", "")
    .action(
      withServer<{ note: string }, [string]>(async ({ client, terminal }, { note }, named) => {
        const { artifact, version } = namedRelease([named]);
        const release = await client.approveRelease(artifact, version, note);
        terminal.result(release);
        terminal.line(
          `${named} is approved by ${release.approvals.map(({ by }) => by).join(", ")}.`,
        );
      }),
    );

  releases
    .command("score")
    .argument("<release>")
    .argument("<name=value>")
    .summary("record what one was measured at")
    .option("--note <text>", "how it was measured", "")
    .action(
      withServer<{ note: string }, [string, string]>(
        async ({ client, terminal }, { note }, named, given) => {
          const { artifact, version } = namedRelease([named]);
          const [[name, value] = ["", 0]] = Object.entries(scoresOf([given]));
          const release = await client.scoreRelease(artifact, version, { name, value, note });
          terminal.result(release);
          terminal.line(`${named} has ${given}.`);
        },
      ),
    );
}

function becauseCommands(releases: Command): void {
  releases
    .command("lift")
    .argument("<release>")
    .summary("let one that was rolled back be deployed again")
    .requiredOption("--because <reason>", "why it may come again")
    .action(
      withServer<{ because: string }, [string]>(
        async ({ client, terminal }, { because }, named) => {
          const { artifact, version } = namedRelease([named]);
          terminal.result(await client.liftRelease(artifact, version, because));
          terminal.line(`${named} may be deployed again.`);
        },
      ),
    );

  releases
    .command("retire")
    .argument("<release>")
    .summary("let go of the content of one that was never pinned")
    .requiredOption("--because <reason>", "why it goes")
    .action(
      withServer<{ because: string }, [string]>(
        async ({ client, terminal }, { because }, named) => {
          const { artifact, version } = namedRelease([named]);
          terminal.result(await client.retireRelease(artifact, version, because));
          terminal.line(`The content of ${named} is gone; that it was there stays known.`);
        },
      ),
    );
}

interface DeclareOptions {
  readonly kind?: ArtifactKind;
  readonly inFlight?: InFlightPolicy;
  readonly review?: "required" | "none";
  readonly keepLast?: number;
  readonly keepDays?: number;
  readonly keepAll?: boolean;
}

function artifactCommands(program: Command): void {
  const artifacts = program
    .command("artifacts")
    .summary("what is released: specs, models, prompts, images, configuration")
    .description(
      "An artifact is a named thing that is released. Its in-flight policy says what happens to work that was " +
        "begun under another release; nothing of it is deployed before one is chosen.\n\n" +
        "  lastgood artifacts declare customer-service --kind spec --in-flight finish-old --review required",
    );
  artifacts
    .command("list")
    .summary("by name")
    .action(
      withServer<object, []>(async ({ client, terminal }) => {
        const found = await client.artifacts();
        terminal.result(found);
        terminal.table(
          ["ARTIFACT", "KIND", "IN FLIGHT", "REVIEW", "KEEPS"],
          found.artifacts.map(({ name, kind, inFlight, review, keep }) => [
            name,
            kind,
            inFlight ?? "not chosen",
            review,
            keep === null ? "everything" : `the last ${keep.last}, and ${keep.days} days`,
          ]),
        );
        if (found.artifacts.length === 0) terminal.line("Nothing was published yet.");
      }),
    );

  artifacts
    .command("declare")
    .argument("<artifact>")
    .summary("make one, or change its settings")
    .option("--kind <kind>", "spec, model, prompt, image or config")
    .option("--in-flight <policy>", "finish-old, switch or cancel-retry")
    .option("--review <review>", "required or none")
    .option("--keep-last <n>", "keep the contents of the last so many releases", Number)
    .option("--keep-days <n>", "and of those younger than so many days", Number)
    .option("--keep-all", "keep every content")
    .action(
      withServer<DeclareOptions, [string]>(async ({ client, terminal }, options, name) => {
        const { kind, inFlight, review } = options;
        const settings: ArtifactSettings = { kind, inFlight, review, keep: keepOf(options) };
        const artifact = await client.declareArtifact(name, settings);
        terminal.result(artifact);
        const policy = artifact.inFlight ?? "no in-flight policy yet";
        terminal.line(`${name} is a ${artifact.kind}: ${policy}, review ${artifact.review}.`);
      }),
    );
}

function keepOf({ keepLast, keepDays, keepAll }: DeclareOptions): ArtifactSettings["keep"] {
  if (keepAll === true) return null;
  if (keepLast === undefined && keepDays === undefined) return undefined;
  return { last: keepLast ?? 1, days: keepDays ?? 0 };
}
