/**
 * What people notice. Three distinct reporters on one service within an hour are a witness: they open an
 * incident, and never move anything by themselves.
 */
import type { Report } from "@lastgood/sdk";
import type { Configuration } from "../config/config.ts";
import { Fault } from "../fault.ts";
import type { Db } from "../store/database.ts";
import { newId, type World } from "../world.ts";
import {
  insertReport,
  type Reports,
  reportsOf,
  witnessReporters,
  witnessWithinMs,
} from "./reports-store.ts";
import type { Verdict } from "./verdict.ts";

export interface ReportsDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  say(verdict: Verdict): void;
}

export function createReports({ db, world, configuration, say }: ReportsDeps) {
  const witnessed = new Map<string, number>();
  return {
    /** Records a report, and says a verdict when it makes the reports a witness. */
    async report(
      service: string,
      reporter: string,
      text: string,
    ): Promise<{ report: Report; reporters: number }> {
      if (!Object.hasOwn(configuration.current().services, service)) {
        throw new Fault(
          "not_found",
          `No service ${service} is declared: see \`services\` in lastgood.yaml.`,
        );
      }
      const now = world.now();
      const id = newId<string>(world, "rep");
      const report: Report = { id, at: now.toISOString(), service, reporter, text };
      await insertReport(db, report);
      const recent = await reportsOf(db, service, new Date(now.getTime() - witnessWithinMs));
      if (recent.isWitness) {
        const verdict = verdictOfReports(service, recent, now);
        witnessed.set(verdict.rule, now.getTime());
        say(verdict);
      }
      return { report, reporters: recent.reporters };
    },
    /** Reports can tell that something is wrong, for an hour, and never that it is well again. */
    isWitnessed(rule: string): boolean {
      return (witnessed.get(rule) ?? 0) + witnessWithinMs > world.now().getTime();
    },
  };
}

/** An indicator's verdict: indicators alone move nothing. */
function verdictOfReports(service: string, { reporters, reports }: Reports, now: Date): Verdict {
  const first = reports.at(-1);
  return {
    rule: `${service}.reports`,
    service,
    signal: "reports",
    kind: "regression",
    customerFacing: false,
    severity: "high",
    at: now,
    onset: first === undefined ? now : new Date(first.at),
    evidence: reporters,
    floor: 1,
    level: 0,
    samples: reports.length,
    failingKeys: reporters,
    hard: false,
    dimension: null,
    says: `${service}: ${reporters} people reported it within an hour (${witnessReporters} are a witness): "${reports[0]?.text.slice(0, 120) ?? ""}"`,
  };
}
