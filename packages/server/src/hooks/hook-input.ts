/** What Claude Code tells a hook on its standard input, as far as we look at it. */

export interface HookInput {
  /** Claude's own id of its conversation. */
  readonly claudeSession: string;
  readonly event: string;
  readonly cwd: string;
  /** SessionStart: `startup`, `resume`, `clear`, `compact`, and whatever comes to be. */
  readonly source: string;
  /** SessionEnd: `clear`, `logout`, `prompt_input_exit`, `other`, … */
  readonly reason: string;
  /** PreCompact: `manual` or `auto`. */
  readonly trigger: string;
  readonly tool: {
    readonly name: string;
    readonly input: unknown;
    readonly response: unknown;
    readonly use: string;
    readonly error: string;
    readonly isInterrupt: boolean;
  };
}

/** Null for what is no hook's input. */
export function parseHookInput(text: string, event: string): HookInput | null {
  let said: Readonly<Record<string, unknown>>;
  try {
    said = JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return null;
  }
  if (typeof said !== "object" || said === null) return null;
  const word = (key: string) => (typeof said[key] === "string" ? said[key] : "");
  if (word("session_id") === "") return null;
  return {
    event,
    claudeSession: word("session_id"),
    cwd: word("cwd"),
    source: word("source"),
    reason: word("reason"),
    trigger: word("trigger"),
    tool: {
      name: word("tool_name"),
      input: said.tool_input ?? null,
      response: said.tool_response ?? null,
      use: word("tool_use_id"),
      error: word("error"),
      isInterrupt: said.is_interrupt === true,
    },
  };
}

const textMax = 16_777_216;
const waitMs = 2_000;

/** Until its end; one that is not closed in time is taken for whole. */
export async function readInput(input: NodeJS.ReadStream): Promise<string> {
  let text = "";
  input.setEncoding("utf8");
  const whole = new Promise<void>((resolve) => {
    input.on("data", (some: string) => {
      if (text.length < textMax) text += some;
    });
    input.once("end", resolve);
    input.once("error", () => resolve());
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, waitMs);
  });
  await Promise.race([whole, late]);
  clearTimeout(timer);
  input.destroy();
  return text;
}
