/** Where a value stands inside a JSON value, from the root. */
export type Path = readonly (string | number)[];

/** The path as an RFC 6901 JSON pointer: `""` is the root, `/a~1b/0` is index 0 of the key `a/b`. */
export function pointer(path: Path): string {
  return path
    .map((each) => `/${String(each).replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");
}

/** The reverse of `pointer`; indexes come back as text. */
export function pathOf(text: string): readonly string[] {
  return text
    .split("/")
    .slice(1)
    .map((each) => each.replaceAll("~1", "/").replaceAll("~0", "~"));
}
