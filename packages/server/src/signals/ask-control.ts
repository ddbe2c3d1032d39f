/** Where nothing serves beside a candidate that fell: copies of its requests are asked for, once for each fall. */
import { Fault, faults } from "../fault.ts";
import { beginAsking, stopAsking, type Trial } from "./release-trial.ts";
import type { ReleaseVerdict } from "./release-verdict.ts";

/** Who can send copies of requests to a release that serves nobody. */
export interface ControlSource {
  /** Rejects where it cannot, and says why. */
  begin(asked: {
    readonly environment: string;
    readonly artifact: string;
    readonly version: string;
    readonly because: string;
  }): Promise<void>;
  end(environment: string, artifact: string): Promise<void>;
}

/** What is no refusal (PostgreSQL is away) is tried again for so long. */
const tryForMs = 120_000;
const unasked = new Fault("state_forbids", "nobody sends copies of its requests");

/** Begins or ends it as the verdict needs. True: the trial is not as it was. Never throws for a refusal. */
export async function askControl(
  controls: ControlSource | null,
  trial: Trial,
  verdict: ReleaseVerdict,
  now: () => number,
): Promise<boolean> {
  const { environment, artifact, prior } = trial.watched;
  if (verdict.needsControl && trial.askedAt === null) {
    try {
      if (controls === null) throw unasked;
      await controls.begin({ environment, artifact, version: prior, because: verdict.says });
      beginAsking(trial, now());
    } catch (error) {
      trial.tryingSince ??= now();
      const isRefused = error instanceof Fault && faults[error.code].retry === "never";
      if (!isRefused && now() - trial.tryingSince < tryForMs) return true;
      const why = error instanceof Error ? error.message : String(error);
      trial.cannotAsk = `${prior} cannot be asked the same requests (${why})`;
    }
    return true;
  }
  const isOver = verdict.kind === "well" || verdict.kind === "insufficient";
  if (!isOver || (trial.askedAt === null && trial.cannotAsk === null)) return false;
  const wasAsked = trial.askedAt !== null;
  stopAsking(trial);
  if (wasAsked) await controls?.end(environment, artifact);
  return true;
}
