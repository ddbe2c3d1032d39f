import { type Call, segment } from "../call.ts";
import type { JsonValue } from "./state.ts";

/** What judges an answer. `at`: a JSON path to the one part of the answer that is judged; without it all of it. */
export type Evaluator =
  /** The answer is the expected one. */
  | { readonly kind: "exact"; readonly at?: string | undefined }
  /** The expected one is among the parts that the path names; where none is expected, it names any. */
  | { readonly kind: "json-path"; readonly path: string }
  | {
      readonly kind: "regex";
      readonly pattern: string;
      readonly flags?: string | undefined;
      readonly at?: string | undefined;
    }
  /** Within `within`, or `relative` times the expected number. */
  | {
      readonly kind: "numeric";
      readonly within?: number | undefined;
      readonly relative?: number | undefined;
      readonly at?: string | undefined;
    }
  /** Gets the case as JSON on its standard input; exits 0 for pass, 1 for fail, anything else for cannot tell. */
  | {
      readonly kind: "command";
      readonly command: readonly string[];
      readonly timeoutMs?: number | undefined;
    }
  /** Gets the case as JSON, and answers `{"pass": true}` or `{"score": 0.8}`. */
  | {
      readonly kind: "http";
      readonly url: string;
      /** The environment variable that holds its bearer token. */
      readonly keyEnv?: string | undefined;
      /** From which score on it passes. Default 0.5. */
      readonly atLeast?: number | undefined;
      readonly timeoutMs?: number | undefined;
    };

export interface CheckCase {
  readonly name: string;
  readonly input: JsonValue;
  /** Absent where the evaluator needs none. */
  readonly expected?: JsonValue | undefined;
  readonly evaluator: Evaluator;
}

/** `adversarial`: what fails there freezes everything about the candidate, and calls a person. */
export type Bank = "checks" | "adversarial";

/** A permanent test of an artifact's releases: a file of the bank. */
export interface BankCheck {
  /** Its place in the bank, without the extension: `support-router/terse-capitals`. */
  readonly name: string;
  readonly artifact: string;
  readonly bank: Bank;
  readonly because: string;
  /** What it was learned from. */
  readonly incident: string | null;
  /** It passes when so large a share of its cases passes. Default 1. */
  readonly atLeast: number;
  /** An answer that must fail: an evaluator that lets it pass is not believed. */
  readonly wrong?: JsonValue | undefined;
  readonly cases: readonly CheckCase[];
}

export interface NewCheck {
  readonly name: string;
  readonly artifact: string;
  readonly bank?: Bank | undefined;
  readonly because?: string | undefined;
  readonly atLeast?: number | undefined;
  readonly cases: readonly CheckCase[];
}

/** A file of the bank that is no check: nothing passes the gate while it may be about it. */
export interface FaultyCheck {
  readonly file: string;
  /** Where that much can be read of it. */
  readonly artifact: string | null;
  readonly says: string;
}

export interface CheckBank {
  readonly folder: string;
  readonly checks: readonly BankCheck[];
  readonly faulty: readonly FaultyCheck[];
}

export interface FoundCheck {
  readonly check: BankCheck;
  /** Below the bank's folder. */
  readonly file: string;
}

export interface StoredCheck extends FoundCheck {
  /** False: it is new in a work tree that is not Lastgood's own, and waits for somebody to commit it. */
  readonly committed: boolean | null;
  /** It was there before, and says the same; whether it is committed was not looked at. */
  readonly already: boolean;
}

export interface CaseResult {
  readonly case: string;
  readonly outcome: "pass" | "fail" | "cannot-tell";
  readonly score: number;
  readonly says: string;
  /** The answer as JSON text, the first 1,000 letters. */
  readonly answer: string;
  readonly tookMs: number;
}

export interface CheckResult {
  readonly check: string;
  readonly bank: Bank;
  readonly outcome: "passed" | "failed" | "cannot-tell";
  readonly passed: number;
  readonly cases: number;
  readonly says: string;
  /** Those that did not pass come first; at most 200. */
  readonly results: readonly CaseResult[];
}

export function checksApi(call: Call) {
  return {
    checkBank: (query: { readonly artifact?: string | undefined } = {}) =>
      call<CheckBank>("GET", "/v1/checks", { query: { ...query } }),
    bankCheck: (name: string) => call<FoundCheck>("GET", `/v1/checks/${segment(name)}`),
    /** Writes a file of the bank. `already_exists` where one of that name says otherwise. */
    addCheck: (check: NewCheck) => call<StoredCheck>("POST", "/v1/checks", { body: check }),
  };
}
