/**
 * What a skill may hold of what others wrote. A skill is read by every agent: commit subjects, paths, segments
 * and check output are quoted in it, and can neither leave their line nor pass for Lastgood's own words. Pure.
 */

/**
 * Control characters, and what is not seen but read: zero-width, direction, tags, variation selectors, private
 * use. Instructions can be hidden in these.
 */
const unseen = /\p{Cc}|\p{Cf}|\p{Co}|\p{Cn}|\p{Default_Ignorable_Code_Point}/gu;
/** Any of these makes a line end somewhere. */
const spaces = /[\s\u{85}\u{2028}\u{2029}]+/gu;

/** One line of at most `max` characters, without what cannot be seen. */
export function plain(text: string, max: number): string {
  // A huge text is not cleaned as a whole: what is cut off anyway is dropped first.
  const line = text
    .slice(0, 20 * max)
    .toWellFormed()
    .replaceAll(spaces, " ")
    .replaceAll(unseen, "")
    .trim();
  const characters = [...line];
  return characters.length <= max ? line : `${characters.slice(0, max - 1).join("")}…`;
}

/** As Markdown code: nothing in it is markup, and no backtick ends it early. */
export function code(text: string, max: number): string {
  const line = plain(text, max).replaceAll("`", "'");
  return line === "" ? "`(nothing)`" : `\`${line}\``;
}

/** For our own sentences: names as they are usual, anything else is replaced. */
export function name(text: string, max = 80): string {
  return plain(text, max).replaceAll(/[^\w.:/=@+-]/gu, "_");
}
