/** A guess as the text of a lastgood.yaml: every reason as a comment above what it is the reason for. */
import { Document, isMap, isScalar, type YAMLMap } from "yaml";
import { schemaUrl } from "../json-schema.ts";
import type { Guess, Note } from "./guessed.ts";

const sections: Readonly<Record<string, string>> = {
  mode: [
    "watch: decides, plans and records what it would have done, and moves nothing.",
    "propose: asks a person. auto: acts within its caps and the authority of agents.",
    "See what it would have done with: lastgood would-have",
  ].join("\n"),
  repositories: "Where the code is. New commits are looked for every 2 s.",
  agents: "Who works. Without `authority` an agent puts nothing back by itself; a person is asked.",
  services:
    "What runs. A probe needs no rule: one with an slo is judged by statistics, and three failures in a\n" +
    "row of the one named `health` are an alarm. `rules` can say otherwise.",
};

const header = (from: string) =>
  [
    `yaml-language-server: $schema=${schemaUrl}`,
    "",
    `Written by \`lastgood init\` from ${from}. Each comment says why something was guessed:`,
    "change what is wrong, and look at it with `lastgood config check`.",
  ]
    .map((line) => (line === "" ? "" : ` ${line}`))
    .join("\n");

/** The whole text. `from` says where the guesses come from. */
export function writeGuess({ settings, notes }: Guess, from: string): string {
  const document = new Document(settings);
  for (const [key, says] of Object.entries(sections)) remark(document, { path: [key], says });
  for (const note of notes) remark(document, note);
  spaceOut(document);
  document.commentBefore = header(from);
  return document.toString({ lineWidth: 100, flowCollectionPadding: false });
}

/** Above the key where that is written, else above its parent's first line. */
function remark(document: Document, { path, says }: Note): void {
  const parent = path.length < 2 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return;
  const pair = parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1));
  if (pair === undefined || !isScalar(pair.key)) return;
  const lines = says.split("\n").flatMap((line) => wrap(line, 100 - 2 * path.length));
  const text = lines.map((line) => ` ${line}`).join("\n");
  const before = pair.key.commentBefore;
  pair.key.commentBefore = before ? `${before}\n${text}` : text;
}

/** An empty line before each section, and between the services. Short lists and probes stay on a line. */
function spaceOut(document: Document): void {
  const { contents } = document;
  if (!isMap(contents)) return;
  for (const [index, pair] of contents.items.entries()) {
    if (index > 0 && isScalar(pair.key)) pair.key.spaceBefore = true;
    const isSpaced = isScalar(pair.key) && pair.key.value === "services";
    if (isSpaced && isMap(pair.value)) spaceItems(pair.value);
    flow(pair.value);
  }
}

function spaceItems(map: YAMLMap): void {
  for (const [index, { key }] of map.items.entries()) {
    if (index > 0 && isScalar(key)) key.spaceBefore = true;
  }
}

function flow(node: unknown): void {
  if (typeof node !== "object" || node === null || !("items" in node)) return;
  if (isMap(node)) {
    for (const { value } of node.items) flow(value);
    return;
  }
  (node as { flow?: boolean }).flow = true;
}

function wrap(text: string, width: number): readonly string[] {
  if (/^ {2}/.test(text)) return [text];
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + word.length + 1 > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
