import { type Command, Help, type HelpConfiguration } from "commander";

const ordinary = new Help();

/** How every command's help is set: examples stay as they can be pasted, and lists are one line each. */
export const helpStyle: HelpConfiguration = {
  boxWrap: (text, width) =>
    paragraphsOf(text)
      .map((each) => (each.startsWith("  ") ? each : ordinary.boxWrap(each, width)))
      .join("\n"),
  subcommandDescription: (command) => command.summary() || firstSentence(command),
};

/**
 * Lines that follow each other are one paragraph, however they were broken. Indented lines are examples and
 * stay as they are: wrapped, they could not be pasted.
 */
function paragraphsOf(text: string): readonly string[] {
  const paragraphs: string[] = [];
  for (const line of text.split("\n")) {
    const last = paragraphs.at(-1);
    const goesOn = last !== undefined && isProse(last) && isProse(line);
    if (goesOn) paragraphs.splice(-1, 1, `${last} ${line}`);
    else paragraphs.push(line);
  }
  return paragraphs;
}

function isProse(line: string): boolean {
  return line !== "" && !line.startsWith("  ");
}

/** Of a description: as a list has it, without examples, capital and full stop. */
function firstSentence(command: Command): string {
  const [paragraph = ""] = command.description().split("\n\n");
  const [sentence = ""] = paragraph.replaceAll("\n", " ").split(/\.(?:\s|$)/);
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}
