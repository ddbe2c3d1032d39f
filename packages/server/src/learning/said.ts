/**
 * What people say of an incident: where it got through, and their answers to the three questions. It stands in the
 * timeline, in their name, and what was said last counts. Pure.
 */
import {
  gaps,
  type PostMortem,
  type PostMortemQuestion,
  postMortemQuestions,
  type TimelineEntry,
} from "@lastgood/sdk";

export const gapNamed = "gap.named";
export const questionAnswered = "question.answered";
/** Told where an operator closes an incident that lacks its check. */
const checkWaived = "check.waived";

export interface Said {
  readonly gap: PostMortem["gap"] | null;
  readonly answers: readonly {
    readonly to: PostMortemQuestion;
    readonly text: string;
    readonly by: string;
  }[];
  /** Why there is no check, where somebody closed it without one. */
  readonly waived: { readonly because: string; readonly by: string } | null;
}

export function saidOf(
  timeline: readonly Pick<TimelineEntry, "event" | "actor" | "text" | "details">[],
): Said {
  const told = (wanted: string) => timeline.filter(({ event }) => event === wanted);
  const named = told(gapNamed).flatMap(({ actor, text, details }) => {
    const is = gaps.find((gap) => gap === details.gap);
    return is === undefined ? [] : [{ is, because: text, by: actor }];
  });
  const waived = told(checkWaived).at(-1);
  return {
    gap: named.at(-1) ?? null,
    answers: told(questionAnswered).flatMap(({ actor: by, text, details }) => {
      const to = postMortemQuestions.find((question) => question === details.question);
      return to === undefined ? [] : [{ to, text, by }];
    }),
    waived: waived === undefined ? null : { because: waived.text, by: waived.actor },
  };
}

export function withSaid(report: PostMortem, { gap, answers, waived }: Said): PostMortem {
  const reason = report.gap.is === "unnamed" && waived !== null ? waived : null;
  return {
    ...report,
    gap: gap ?? (reason === null ? report.gap : { is: "none-possible", ...reason }),
    questions: {
      ...report.questions,
      ...Object.fromEntries(answers.map(({ to, text }) => [to, text])),
    },
    answeredBy: {
      ...report.answeredBy,
      ...Object.fromEntries(answers.map(({ to, by }) => [to, by])),
    },
  };
}
