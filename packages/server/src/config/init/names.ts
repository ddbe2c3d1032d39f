/** `text` as a name that lastgood.yaml takes; null when nothing of it can be. */
export function asName(text: string): string | null {
  const name = text
    .replace(/[^\w.-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+|[-.]+$/g, "")
    .slice(0, 100);
  return name === "" ? null : name;
}

/** `name`, or `name-2`, `name-3`, … where it is taken. */
export function uniqueName(name: string, taken: readonly string[]): string {
  if (!taken.includes(name)) return name;
  for (let count = 2; ; count++) {
    const next = `${name}-${count}`;
    if (!taken.includes(next)) return next;
  }
}

const machine = /(^|[^a-z])(agents?|bots?)([^a-z]|$)/i;

/** Whether an author's name or address says that it is a program. */
export function looksLikeAgent({ email, name }: { email: string; name: string }): boolean {
  return machine.test(email) || machine.test(name);
}

/** `backend-agent@x`, `agent+backend@x`, `backend@agents.x`, `12+backend[bot]@x`: all `backend`. */
export function agentNameOf({ email, name }: { email: string; name: string }): string | null {
  const local = (email.split("@")[0] ?? "").replace(/^\d+\+/, "").replace(/\[bot\]$/i, "");
  return strip(local) ?? strip(name);
}

function strip(text: string): string | null {
  const words = text.split(/[-_.+\s[\]]+/).filter((word) => word !== "");
  const telling = words.filter((word) => !/^(agents?|bots?)$/i.test(word));
  return asName(telling.join("-").toLowerCase());
}
