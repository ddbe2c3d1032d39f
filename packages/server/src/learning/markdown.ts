import { type PostMortem, type PostMortemQuestion, postMortemQuestions } from "@lastgood/sdk";
import { ownName } from "./gap.ts";

/** The post-mortem for people. */
export function toMarkdown(report: PostMortem): string {
  const { cause, check, elapsedMs } = report;
  return [
    `# ${oneLine(report.title)}`,
    "",
    `Incident \`${report.incident}\`, severity ${report.severity}, ${report.draft ? "drafted" : "written"} ${report.writtenAt}.`,
    "",
    oneLine(report.summary),
    "",
    section("Impact", bullets(report.impact)),
    section(
      "How long it took",
      table(
        ["from", "to", "ms"],
        Object.entries(elapsedMs).map(([name, value]) => {
          const [from = "", to = ""] = name.split("To");
          return [from, to.toLowerCase(), value === null ? "not reached" : String(value)];
        }),
      ),
    ),
    section(
      "Cause",
      cause === null
        ? "No change was put back."
        : [
            `${cause.agent} in ${cause.target}, \`${cause.revision ?? cause.change}\`: ${oneLine(cause.reason)}`,
            "",
            `Posterior ${cause.posterior.toFixed(4)}, from:`,
            "",
            bullets(cause.evidence),
          ].join("\n"),
    ),
    section("Losses", bullets(report.losses)),
    section("Not covered", bullets(report.notCovered)),
    section("Gap", gapText(report)),
    section("Check", check === null ? "None." : checkText(check)),
    section(
      "Questions",
      table(
        ["question", "answer", "by"],
        postMortemQuestions.map((question) => [
          asked[question],
          report.questions[question],
          byText(report.answeredBy[question]),
        ]),
      ),
    ),
    section(
      "Timeline",
      table(
        ["at", "ms", "who", "event", "what"],
        report.timeline.map((each) => [
          each.at,
          String(each.elapsedMs),
          each.actor,
          each.event,
          each.text,
        ]),
      ),
    ),
  ].join("\n");
}

const asked: Readonly<Record<PostMortemQuestion, string>> = {
  whyNotCaughtLive: "Why did the watch or canary not catch it?",
  whyChecksPassed: "Why did the checks pass?",
  wrongIncompleteOrMiscommunicated:
    "Was the change wrong, incomplete, or correct but badly communicated?",
};

function byText(by: string | null): string {
  return by === ownName ? "the records" : (by ?? "");
}

function gapText({ gap: { is, because, by }, incident }: PostMortem): string {
  const told = oneLine(because);
  if (by === null)
    return `${is}: ${told}. Name it: \`lastgood incident gap ${incident} GAP "why"\``;
  return by === ownName ? `${is}, as the records show: ${told}` : `${is}, named by ${by}: ${told}`;
}

function checkText(check: NonNullable<PostMortem["check"]>): string {
  const runs = check.runs.map((run) =>
    [
      `\`${short(run.revision)}\`: ${run.outcome} (exit ${run.exitCode ?? "none"}, ${run.tookMs} ms)`,
      "",
      fenced(run.output),
    ].join("\n"),
  );
  return [
    `\`${check.command.join(" ")}\` on ${check.service}, ${check.accepted ? "accepted" : "not accepted"}: ${check.because}`,
    "",
    ...runs,
  ].join("\n");
}

/** A commit by its first letters; a release whole, for its version stands last. */
function short(revision: string): string {
  return /^[0-9a-f]{40,64}$/.test(revision) ? revision.slice(0, 12) : revision;
}

function section(title: string, text: string): string {
  return `## ${title}\n\n${text}\n`;
}

function bullets(lines: readonly string[]): string {
  return lines.length === 0 ? "None." : lines.map((line) => `- ${oneLine(line)}`).join("\n");
}

function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]) =>
    `| ${cells.map((cell) => oneLine(cell).replaceAll("|", "\\|")).join(" | ")} |`;
  return [row(heading), row(heading.map(() => "---")), ...rows.map(row)].join("\n");
}

/** What others wrote (commit subjects, error messages) cannot break out of its line. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}

function fenced(output: string): string {
  const fence = "`".repeat(Math.max(3, longestRun(output) + 1));
  return `${fence}\n${output.trimEnd()}\n${fence}\n`;
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}
