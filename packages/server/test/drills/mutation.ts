import type { Config, Configuration } from "../../src/config/config.ts";
import type { Drill } from "../../src/drills/drill.ts";
import type { Seams } from "../../src/main.ts";
import type { Db } from "../../src/store/database.ts";
import type { CaughtBy } from "./mutation-verdict.ts";

/** Lastgood with one of its organs replaced by something that does too little, or the wrong thing. */
export interface Mutation {
  readonly name: string;
  readonly what: string;
  readonly caughtBy: CaughtBy;
  /** Which story must fail over it. */
  readonly story: StoryToFail;
  seams?(configuration: Configuration): Seams;
  /** What the configuration says instead, asked anew each time. */
  configured?(config: Config): Config;
  /** Breaks what only the database can be made to forget. */
  breaks?(db: Db): Promise<void>;
}

export interface StoryToFail {
  readonly drill: Drill;
  readonly seed: number;
  /** Null: the seed decides. */
  readonly variant: string | null;
  /** The same damage is done again when all is well. */
  readonly again?: boolean;
  /** Where nothing will come that is waited for: how long it is waited for. */
  readonly patienceMs?: number;
}
