import { type Command, Help, type HelpConfiguration } from "commander";

const ordinary = new Help();

/** How every command's help is set: examples stay as they can be pasted, and lists are one line each. */
export const helpStyle: HelpConfiguration = {
  /** Indented lines are examples: wrapped, they could not be pasted. */
  boxWrap: (text, width) =>
    text
      .split("\n")
      .map((line) => (line.startsWith("  ") ? line : ordinary.boxWrap(line, width)))
      .join("\n"),
  subcommandDescription: (command) => command.summary() || firstSentence(command),
};

/** Of a description: as a list has it, without examples, capital and full stop. */
function firstSentence(command: Command): string {
  const [paragraph = ""] = command.description().split("\n\n");
  const [sentence = ""] = paragraph.replaceAll("\n", " ").split(/\.(?:\s|$)/);
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}
