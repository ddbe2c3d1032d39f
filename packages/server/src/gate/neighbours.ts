/** What this room needs of its neighbours, and no more. */
import type { Json } from "../json/canonical.ts";

/** An input that an artifact was given, what was made of it, and what turned out. */
export interface SeenInput {
  readonly key: string;
  readonly version: string;
  readonly input: Json;
  /** Null: none was kept. */
  readonly output: Json;
  /** The right answer; null: nobody has told it. */
  readonly expected: Json;
  readonly dimensions: Readonly<Record<string, string>> | null;
  readonly begunAt: Date;
}

export interface Traffic {
  /** Inputs that were kept, newest first. */
  recentInputs(artifact: string, limit: number): Promise<readonly SeenInput[]>;
}

/** Takes what the bank says of a release that serves, as a sample of it. `value`: the part of the checks that passed. */
export type ObserveLive = (seen: {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  readonly at: Date;
  readonly ok: boolean;
  readonly value: number;
}) => void;

/** Calls a person about a candidate that nothing must be done with by itself. Returns the incident. */
export type CallPerson = (about: {
  readonly run: string;
  readonly environment: string;
  readonly artifact: string;
  readonly because: string;
}) => Promise<string>;
