import type { Json } from "../json/canonical.ts";
import { type Evaluator, isForeign, type Judged } from "./check.ts";
import {
  judgeByCommand,
  judgeByHttp,
  type Question,
  type Surroundings,
} from "./foreign-evaluators.ts";
import { judgeExact, judgeJsonPath, judgeNumeric, partAt } from "./plain-evaluators.ts";
import { createRegexes } from "./regex.ts";

export interface Evaluators {
  judge(evaluator: Evaluator, question: Question, signal: AbortSignal): Promise<Judged>;
  /**
   * Why the evaluator is not believed: it lets pass what must fail. Null for one that is, and for our own, which
   * are known to tell.
   */
  whyNotBelieved(
    evaluator: Evaluator,
    question: Omit<Question, "output">,
    wrong: Json | undefined,
    signal: AbortSignal,
  ): Promise<string | null>;
  stop(): Promise<void>;
}

/** An answer that nobody can have meant to let pass. */
const nonsense = "lastgood: this is no answer, and an evaluator that lets it pass judges nothing";

export function createEvaluators(surroundings: Surroundings): Evaluators {
  const regexes = createRegexes();

  async function judge(
    evaluator: Evaluator,
    question: Question,
    signal: AbortSignal,
  ): Promise<Judged> {
    const { output, expected } = question;
    switch (evaluator.kind) {
      case "exact":
        return judgeExact(evaluator, output, expected);
      case "json-path":
        return judgeJsonPath(evaluator, output, expected);
      case "numeric":
        return judgeNumeric(evaluator, output, expected);
      case "regex": {
        const part = partAt(output, evaluator.at);
        if (!part.found) return part.judged;
        const text = typeof part.value === "string" ? part.value : JSON.stringify(part.value);
        return await regexes.judge(evaluator.pattern, evaluator.flags ?? "", text, signal);
      }
      case "command":
        return await judgeByCommand(evaluator, question, surroundings, signal);
      case "http":
        return await judgeByHttp(evaluator, question, surroundings, signal);
    }
  }

  return {
    judge,
    async whyNotBelieved(evaluator, question, wrong, signal) {
      if (!isForeign(evaluator)) return null;
      const judged = await judge(evaluator, { ...question, output: wrong ?? nonsense }, signal);
      if (judged.outcome !== "pass") return null;
      return wrong === undefined
        ? "the evaluator lets nonsense pass, so it judges nothing: mend it, or name an answer that must fail with `wrong`"
        : "the evaluator lets the answer pass that must fail (`wrong`), so it judges nothing: mend it";
    },
    stop: () => regexes.stop(),
  };
}
