/** What the judge of releases has to write, until it is written: the newest thousand of each kind are kept. */
import type { FixedFloor, JudgeNews, SaidVerdict, SavedTrial } from "./release-store.ts";

export interface News {
  floor(floor: FixedFloor): void;
  verdict(verdict: SaidVerdict): void;
  ended(ended: JudgeNews["ended"][number]): void;
  take(trials: readonly SavedTrial[]): JudgeNews;
  /** What could not be written stands before what came since. */
  keep(news: JudgeNews): void;
}

const newsMax = 1_000;

export function createNews(): News {
  let floors: readonly FixedFloor[] = [];
  let verdicts: readonly SaidVerdict[] = [];
  let ended: JudgeNews["ended"] = [];
  return {
    floor(floor) {
      floors = newest([...floors, floor]);
    },
    verdict(verdict) {
      verdicts = newest([...verdicts, verdict]);
    },
    ended(one) {
      ended = newest([...ended, one]);
    },
    take(trials) {
      const news = { trials, ended, floors, verdicts };
      floors = [];
      verdicts = [];
      ended = [];
      return news;
    },
    keep(news) {
      floors = newest([...news.floors, ...floors]);
      verdicts = newest([...news.verdicts, ...verdicts]);
      ended = newest([...news.ended, ...ended]);
    },
  };
}

function newest<T>(rows: readonly T[]): readonly T[] {
  return rows.slice(-newsMax);
}
