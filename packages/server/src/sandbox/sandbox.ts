/**
 * A revision of a service, started away from production: its own files, its own database made from the
 * declared schema and fixture, loopback only, no production credentials.
 */
export interface Sandboxes {
  /** Whether the service declares one. Without it a rerun is no witness. */
  declared(service: string): boolean;
  /**
   * Starts `revision` of `service`; a revision that does not start gives `cannot-tell` on every check.
   * `after`: the revision that served before. A service that brings its database to its declared schema
   * at start then finds that revision's database, as it did in production.
   */
  open(service: string, revision: string, signal: AbortSignal, after?: string): Promise<Sandbox>;
  /** Loads the rows of what now serves, in the background, so that no rerun has to wait for them. */
  warm(service: string, revision: string): void;
}

export interface Sandbox extends AsyncDisposable {
  readonly service: string;
  readonly revision: string;
  /** Runs the declared check once. May be called again: a flaky check is found by repetition. */
  check(signal: AbortSignal): Promise<CheckRun>;
}

export interface CheckRun {
  readonly service: string;
  readonly revision: string;
  readonly outcome: "good" | "bad" | "cannot-tell";
  readonly exitCode: number | null;
  readonly startedAt: Date;
  readonly tookMs: number;
  /** Standard output and error, the last 16 kB. */
  readonly output: string;
}
