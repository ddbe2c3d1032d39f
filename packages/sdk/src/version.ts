/** Versions of releases are explicit: whoever reads one knows which release it is, today and in a year. */

const form = /^[A-Za-z0-9][\w.+-]{0,99}$/;
const moving = new Set(["latest", "newest", "current"]);
const range = /[\^~<>=*|,\s]|\|\||(^|\.)[xX](\.|$)/;

/** Why the text is not a version, and what to write instead; null when it is one. */
export function whyNoVersion(text: string): string | null {
  const shown = text.slice(0, 100);
  if (text.trim() === "") return "no version is named: write it, such as 2.0.3";
  if (moving.has(text.toLowerCase())) {
    return `\`${shown}\` is no version: it means another release tomorrow, so nobody could say what ran or go back to it; name the version, such as 2.0.3`;
  }
  if (range.test(text)) {
    return `\`${shown}\` is a range: it means another release tomorrow; name one version, such as 2.0.3`;
  }
  if (form.test(text)) return null;
  return `\`${shown}\` is not a version: letters, digits, \`.\`, \`_\`, \`+\` or \`-\`, at most 100`;
}

/** `customer-service:2.0.3` as its two halves; the version may be anything, even empty. */
export function splitRelease(text: string): {
  readonly artifact: string;
  readonly version: string;
} {
  const at = text.lastIndexOf(":");
  if (at < 0) return { artifact: text, version: "" };
  return { artifact: text.slice(0, at), version: text.slice(at + 1) };
}
