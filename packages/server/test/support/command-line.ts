import type { Command } from "commander";

/**
 * Why `line` (`lastgood …`) is not a command that `program` takes; null when it is. Values are not judged,
 * and what is only mentioned may leave its arguments out.
 */
export function whyNoCommand(
  program: Command,
  line: string,
  { isMention = false }: { readonly isMention?: boolean } = {},
): string | null {
  const words = wordsOf(line.replace(/\s+#.*$/, "")).slice(1);
  let command = program;
  const rest: string[] = [];
  const options = new Set<string>();
  for (const word of words) {
    const below =
      rest.length > 0 ? undefined : command.commands.find((each) => each.name() === word);
    if (below !== undefined) command = below;
    else if (options.has("--")) rest.push(word);
    else if (word.startsWith("--")) options.add(word.split("=")[0] ?? word);
    else rest.push(word);
  }
  if (command === program) return `there is no command ${words[0] ?? ""}`;
  const known = new Set(["--help", "--"]);
  for (let at: Command | null = command; at !== null; at = at.parent) {
    for (const { long } of at.options) if (long) known.add(long);
  }
  const unknown = [...options].find((each) => !known.has(each));
  if (unknown !== undefined) return `${command.name()} has no option ${unknown}`;
  const required = command.registeredArguments.filter((each) => each.required).length;
  // Options with values leave their values among the rest: only a lack can be told.
  if (!isMention && rest.length < required) return `${command.name()} needs ${required} arguments`;
  const isGroup = command.commands.length > 0 && command.registeredArguments.length === 0;
  const hasDefault = command.options.length > 0 || rest.length === 0;
  if (isGroup && rest.length > 0 && !hasDefault) return `${command.name()} has no ${rest[0]}`;
  return null;
}

function wordsOf(line: string): readonly string[] {
  return [...line.matchAll(/"[^"]*"|'[^']*'|\S+/g)].map(([word]) => word);
}
