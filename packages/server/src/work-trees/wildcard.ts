/**
 * Matches a path with a pattern of `.gitignore`, byte by byte and as git does. Patterns are turned into
 * steps; one with a double star is followed in all its ways at once, so that none costs more than its own
 * length times the text's. What is spent counts against a budget, because both are somebody else's.
 */

/** Steps that may still be taken; below zero nothing matches any more. */
export interface Budget {
  left: number;
}

export type Matcher = (text: string, budget: Budget) => boolean;

type Step =
  | { readonly kind: "one"; readonly fits: (code: number) => boolean }
  /** Any number of bytes, with or without slashes among them. */
  | { readonly kind: "many"; readonly slashes: boolean }
  /** A double star with a slash behind it: nothing, or whole folders. */
  | { readonly kind: "folders" };

const slash = 47;

export function matcherOf(pattern: string): Matcher {
  if (!/[*?[\\]/.test(pattern)) return (text) => text === pattern;
  const end = pattern.slice(1);
  if (pattern.startsWith("*") && !/[*?[\\/]/.test(end)) {
    return (text) => text.endsWith(end) && !text.slice(0, text.length - end.length).includes("/");
  }
  const steps = stepsOf(pattern);
  if (steps === null) return () => false;
  const crosses = steps.some(
    (step) => step.kind === "folders" || (step.kind === "many" && step.slashes),
  );
  return crosses
    ? (text, budget) => followAll(steps, text, budget)
    : (text, budget) => followOne(steps, text, budget);
}

/** Null for a pattern that fits nothing, such as one whose bracket is never closed. */
function stepsOf(pattern: string): readonly Step[] | null {
  const steps: Step[] = [];
  // Git compares what stands before the first of these by itself, and takes the rest for a whole pattern.
  const literal = pattern.search(/[*?[\\]/);
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === "?") {
      steps.push({ kind: "one", fits: (each) => each !== slash });
    } else if (character === "*") {
      const begin = at;
      while (pattern[at + 1] === "*") at += 1;
      const next = pattern[at + 1];
      const isWhole =
        at > begin &&
        (begin === literal || pattern[begin - 1] === "/") &&
        (next === undefined || next === "/" || pattern.startsWith("\\/", at + 1));
      if (isWhole && next === "/") {
        steps.push({ kind: "folders" });
        at += 1;
      } else steps.push({ kind: "many", slashes: isWhole });
    } else if (character === "[") {
      const bracket = bracketAt(pattern, at);
      if (bracket === null) return null;
      steps.push({ kind: "one", fits: bracket.fits });
      at = bracket.end;
    } else {
      if (character === "\\") at += 1;
      if (at === pattern.length) return null;
      const wanted = pattern.charCodeAt(at);
      steps.push({ kind: "one", fits: (each) => each === wanted });
    }
  }
  return steps;
}

/** Without a step that crosses slashes it is enough to come back to the latest star. */
function followOne(steps: readonly Step[], text: string, budget: Budget): boolean {
  let [step, at] = [0, 0];
  let star: { step: number; at: number } | null = null;
  while (at < text.length) {
    budget.left -= 1;
    if (budget.left < 0) return false;
    const here = steps[step];
    if (here?.kind === "many") {
      star = { step, at };
      step += 1;
    } else if (here?.kind === "one" && here.fits(text.charCodeAt(at))) {
      step += 1;
      at += 1;
    } else {
      if (star === null || text.charCodeAt(star.at) === slash) return false;
      star.at += 1;
      at = star.at;
      step = star.step + 1;
    }
  }
  while (steps[step]?.kind === "many") step += 1;
  return step === steps.length;
}

function followAll(steps: readonly Step[], text: string, budget: Budget): boolean {
  let states = settled(steps, [0], []);
  for (let at = 0; at < text.length && states.length > 0; at++) {
    budget.left -= states.length;
    if (budget.left < 0) return false;
    const code = text.charCodeAt(at);
    const [reached, within]: [number[], number[]] = [[], []];
    for (const state of states) {
      const step = steps[state];
      if (step?.kind === "one") {
        if (step.fits(code)) reached.push(state + 1);
      } else if (step?.kind === "many") {
        if (step.slashes || code !== slash) reached.push(state);
      } else if (step?.kind === "folders") {
        within.push(state);
        if (code === slash) reached.push(state + 1);
      }
    }
    states = settled(steps, reached, within);
  }
  return states.includes(steps.length);
}

/** With the states that need no further byte; `within` a folder's name there is none. */
function settled(
  steps: readonly Step[],
  reached: readonly number[],
  within: readonly number[],
): readonly number[] {
  const all = new Set(reached);
  for (const state of all) {
    const kind = steps[state]?.kind;
    if (kind === "many" || kind === "folders") all.add(state + 1);
  }
  for (const state of within) all.add(state);
  return [...all];
}

const classes: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  cntrl: /[^ -~\x80-\xff]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t\n\v\f\r]/,
  upper: /[A-Z]/,
  xdigit: /[A-Fa-f0-9]/,
};

interface Bracket {
  readonly fits: (code: number) => boolean;
  /** Where its closing bracket stands. */
  readonly end: number;
}

function bracketAt(pattern: string, begin: number): Bracket | null {
  const negated = /^[!^]/.test(pattern.slice(begin + 1, begin + 2));
  const members: ((code: number) => boolean)[] = [];
  /** The byte that may begin a range. */
  let previous = -1;
  let at = begin + (negated ? 2 : 1);
  for (let first = true; first || pattern[at] !== "]"; first = false, at++) {
    if (at >= pattern.length) return null;
    const named = classAt(pattern, at);
    if (named === null) return null;
    if (named !== undefined) {
      members.push(named.fits);
      at = named.end;
      previous = -1;
      continue;
    }
    const next = pattern[at + 1];
    const isRange = pattern[at] === "-" && previous !== -1 && next !== undefined && next !== "]";
    if (isRange) at += 1;
    if (pattern[at] === "\\") at += 1;
    if (at >= pattern.length) return null;
    const code = pattern.charCodeAt(at);
    const from = isRange ? previous : code;
    members.push((each) => each >= from && each <= code);
    previous = isRange ? -1 : code;
  }
  const fits = (code: number) => code !== slash && members.some((has) => has(code)) !== negated;
  return { fits, end: at };
}

/** `[:alpha:]` and its like; undefined where none stands, null where it spoils the whole pattern. */
function classAt(pattern: string, at: number): Bracket | null | undefined {
  if (!pattern.startsWith("[:", at)) return undefined;
  const end = pattern.indexOf("]", at + 2);
  if (end === -1) return null;
  if (end === at + 2 || pattern[end - 1] !== ":") return undefined;
  const named = classes[pattern.slice(at + 2, end - 1)];
  if (named === undefined) return null;
  return { fits: (code) => named.test(String.fromCharCode(code)), end };
}
