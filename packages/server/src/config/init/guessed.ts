/** A value of lastgood.yaml as plain data. */
export type Settings = Record<string, unknown>;

/** A remark above one setting. */
export interface Note {
  readonly path: readonly string[];
  readonly says: string;
}

export interface Guess {
  readonly settings: Settings;
  readonly notes: readonly Note[];
}
