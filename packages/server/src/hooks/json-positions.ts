/** Where the values of a JSON text stand in it, so that it can be edited without being written anew. Pure. */

/** From `start` up to `end`, which is not of it. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

export type Node =
  | (Place & { readonly kind: "scalar" })
  | (Place & { readonly kind: "array"; readonly children: readonly Child[] })
  | (Place & { readonly kind: "object"; readonly children: readonly Child[] });

export type Container = Exclude<Node, { kind: "scalar" }>;

/** An item, or a member with its key. */
export interface Child extends Place {
  readonly key: string | null;
  readonly value: Node;
}

/** Of a text that `JSON.parse` takes. */
export function positionsOf(text: string): Node {
  return nodeAt(text, skipBlank(text, 0));
}

/** Of members under one key the last, which is the one that counts. */
export function memberOf(node: Node | undefined, key: string): Child | undefined {
  return node?.kind === "object" ? node.children.findLast((each) => each.key === key) : undefined;
}

function nodeAt(text: string, start: number): Node {
  const first = text[start];
  if (first !== "{" && first !== "[") return { kind: "scalar", start, end: scalarEnd(text, start) };
  const close = first === "{" ? "}" : "]";
  const children: Child[] = [];
  let at = skipBlank(text, start + 1);
  while (text[at] !== close) {
    const child = childAt(text, at, first === "{");
    children.push(child);
    at = skipBlank(text, child.end);
    if (text[at] === ",") at = skipBlank(text, at + 1);
  }
  return { kind: first === "{" ? "object" : "array", start, end: at + 1, children };
}

function childAt(text: string, start: number, isMember: boolean): Child {
  if (!isMember) {
    const value = nodeAt(text, start);
    return { key: null, start, end: value.end, value };
  }
  const keyEnd = scalarEnd(text, start);
  const colon = skipBlank(text, keyEnd);
  const value = nodeAt(text, skipBlank(text, colon + 1));
  return { key: JSON.parse(text.slice(start, keyEnd)) as string, start, end: value.end, value };
}

function scalarEnd(text: string, start: number): number {
  const token = text[start] === '"' ? /"(?:[^"\\]|\\.)*"/sy : /[^\s,\]}]+/y;
  token.lastIndex = start;
  return start + (token.exec(text)?.[0].length ?? 1);
}

function skipBlank(text: string, from: number): number {
  let at = from;
  while (at < text.length && " \t\r\n".includes(text[at] ?? "")) at += 1;
  return at;
}

/** The text with one more child at the container's end, laid out as the others are. */
export function withAppended(
  text: string,
  container: Container,
  child: { readonly key?: string; readonly value: unknown },
): string {
  const layout = layoutOf(text);
  const last = container.children.at(-1);
  const indent = childIndent(text, container, layout.unit);
  const isInline = last !== undefined && !text.slice(container.start, last.start).includes("\n");
  const key = child.key === undefined ? "" : `${JSON.stringify(child.key)}: `;
  if (isInline) {
    return splice(text, last.end, last.end, `, ${key}${JSON.stringify(child.value)}`);
  }
  const value = JSON.stringify(child.value, null, layout.unit).replaceAll(
    "\n",
    `${layout.newline}${indent}`,
  );
  const line = `${layout.newline}${indent}${key}${value}`;
  if (last !== undefined) return splice(text, last.end, last.end, `,${line}`);
  const close = `${layout.newline}${lineIndent(text, container.start)}`;
  return splice(text, container.start + 1, container.end - 1, `${line}${close}`);
}

/** The text without that child; what `withAppended` put there goes without a trace. */
export function withoutChild(text: string, container: Container, index: number): string {
  const { children } = container;
  const [before, child, after] = [children[index - 1], children[index], children[index + 1]];
  if (child === undefined) return text;
  if (before !== undefined) return splice(text, before.end, child.end, "");
  if (after !== undefined) return splice(text, child.start, after.start, "");
  return splice(text, container.start + 1, container.end - 1, "");
}

function splice(text: string, start: number, end: number, by: string): string {
  return text.slice(0, start) + by + text.slice(end);
}

function layoutOf(text: string): { readonly unit: string; readonly newline: string } {
  const unit = /[{[]\r?\n([ \t]+)\S/.exec(text)?.[1] ?? "  ";
  return { unit, newline: text.includes("\r\n") ? "\r\n" : "\n" };
}

function childIndent(text: string, container: Container, unit: string): string {
  const [first] = container.children;
  const own = first === undefined ? null : lineIndent(text, first.start);
  const outer = lineIndent(text, container.start);
  return own !== null && own !== outer ? own : outer + unit;
}

/** What its line begins with. */
function lineIndent(text: string, at: number): string {
  const line = text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
  return /^[ \t]*/.exec(line)?.[0] ?? "";
}
