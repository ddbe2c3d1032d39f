import type { Finding } from "@lastgood/sdk";
import type { ServiceConfig } from "../config/config.ts";
import { cyclesOf } from "../config/graph.ts";
import type { CoverageCheck, Facts } from "./facts.ts";

const set = (setting: string, value: string) => `lastgood config set ${setting} ${value}`;
const about = (service: string) => `service ${service}`;

export const serviceChecks: readonly CoverageCheck[] = [
  declared,
  migrations,
  served,
  ruled,
  repositories,
  cycles,
];

/** A part of the graph that runs an image of others: nothing of it is ours to put back. */
function isForeign(service: ServiceConfig): boolean {
  return service.repository === undefined && service.runtime === undefined;
}

function declared({ config }: Facts): readonly Finding[] {
  return Object.entries(config.services).flatMap(([name, service]) => {
    const found: Finding[] = [];
    const miss = (
      code: string,
      says: string,
      mend: string,
      kind: Finding["kind"] = "unprotected",
    ) => found.push({ kind, code, about: about(name), says, mend });
    if (isForeign(service)) {
      miss(
        "service-not-ours",
        "it has neither a repository nor a runtime: it is a node of the graph, and nothing of it is put back",
        set(`services.${name}.repository`, "<repository>"),
        "noted",
      );
    } else {
      if (service.repository === undefined) {
        miss(
          "service-without-repository",
          "its code cannot be put back, and commits are never suspects of it",
          set(`services.${name}.repository`, "<repository>"),
        );
      }
      if (service.runtime === undefined) {
        miss(
          "service-without-runtime",
          "a revert reaches its branch, and nothing makes it serve that revision",
          set(
            `services.${name}.runtime`,
            `"{ adapter: process, start: [npm, start], port: 8080 }"`,
          ),
        );
      }
      if (service.repository !== undefined && service.sandbox === undefined) {
        miss(
          "service-without-sandbox",
          "a suspect commit cannot be rerun: what was deployed together cannot be told apart",
          set(`services.${name}.sandbox`, `"{ check: [npm, test] }"`),
        );
      }
    }
    if (Object.keys(service.probes).length === 0 && !isForeign(service)) {
      miss(
        "service-without-probe",
        "nothing notices when it goes bad, unless samples are sent",
        set(`services.${name}.probes.health`, `"{ path: /health }"`),
      );
    }
    const isReached = service.url !== undefined || service.runtime?.adapter === "process";
    if (Object.keys(service.probes).length > 0 && !isReached) {
      miss(
        "probe-without-address",
        "it has probes, and no address at which to ask",
        set(`services.${name}.url`, "http://127.0.0.1:8080"),
        "broken",
      );
    }
    if (service.owner === undefined && config.pages.owner === undefined) {
      miss(
        "service-without-owner",
        "nobody is named for what cannot be put back",
        set("pages.owner", "<person>"),
      );
    }
    return found;
  });
}

function migrations({ config }: Facts): readonly Finding[] {
  return Object.entries(config.services).flatMap(([name, service]) => {
    if (service.schema !== "migrations" || service.repository === undefined) return [];
    const settings = config.repositories[service.repository]?.migrations;
    if (settings?.down !== undefined) return [];
    return [
      {
        kind: "unprotected",
        code: "migrations-without-down",
        about: about(name),
        says: "a commit with a migration is never reverted by itself: nothing says how to undo one",
        mend: set(`repositories.${service.repository}.migrations.down`, `"[npm, run, down, --]"`),
      },
    ];
  });
}

function served({ services }: Facts): readonly Finding[] {
  if (!services.seen) return [];
  return services.value.flatMap((service) => {
    const found: Finding[] = [];
    const say = (kind: Finding["kind"], code: string, says: string, mend: string) =>
      found.push({ kind, code, about: about(service.name), says, mend });
    const show = `lastgood services show ${service.name}`;
    if (service.state === "not-serving" || service.state === "unreadable") {
      const why = service.because === null ? "" : `: ${service.because}`;
      say("broken", `service-${service.state}`, `it is ${service.state}${why}`, show);
    }
    if (service.failure !== null) {
      say("broken", "deploy-failed", `its last deploy failed: ${service.failure}`, show);
    }
    if (service.held !== null) {
      say("noted", "deploy-held", `a deploy is held: ${service.held}`, show);
    }
    if (service.pinned !== null) {
      say(
        "noted",
        "deploys-wait",
        `deploys on push wait: ${service.pinned}`,
        `lastgood services deploy ${service.name}`,
      );
    }
    if (service.drift !== null && service.drift.length > 0) {
      const files = service.drift.slice(0, 3).join(", ");
      say(
        "broken",
        "service-drifted",
        `${service.drift.length} of its files are not those of ${service.revision?.slice(0, 7)}: ${files}`,
        `lastgood services deploy ${service.name} ${service.revision ?? ""}`.trimEnd(),
      );
    }
    return found;
  });
}

const silentMsMax = 5 * 60_000;

function ruled({ rules, at }: Facts): readonly Finding[] {
  if (!rules.seen) return [];
  return rules.value.flatMap((rule): readonly Finding[] => {
    const common = { about: `rule ${rule.rule}`, mend: `lastgood signals show ${rule.rule}` };
    if (rule.lastSampleAt === null) {
      return [
        {
          ...{ ...common, kind: "unprotected", code: "rule-without-samples" },
          says: `no sample of ${rule.service} came yet: it can never alarm`,
        },
      ];
    }
    const silentMs = at.getTime() - rule.lastSampleAt.getTime();
    if (silentMs > silentMsMax) {
      return [
        {
          ...{ ...common, kind: "stale", code: "rule-silent" },
          says: `its last sample is ${Math.round(silentMs / 60_000)} minutes old: it says nothing of now`,
        },
      ];
    }
    if (rule.verdict === "insufficient" && rule.detector !== "hard") {
      return [
        {
          ...{ ...common, kind: "noted", code: "rule-still-measuring" },
          says: `it has ${rule.samples} samples, too few to judge by: its floor is still being measured`,
        },
      ];
    }
    return [];
  });
}

function repositories({ repositories: seen, variables }: Facts): readonly Finding[] {
  if (!seen.seen) return [];
  return seen.value.flatMap((repository) => {
    const found: Finding[] = [];
    const at = `repository ${repository.name}`;
    if (repository.credentials !== null && variables[repository.credentials] === false) {
      found.push({
        kind: "broken",
        code: "variable-not-set",
        about: at,
        says: `${repository.credentials} is not set in Lastgood's environment: start it with that`,
        mend: `${repository.credentials}=<secret> lastgood start`,
      });
    }
    if (repository.problem !== null) {
      found.push({
        kind: "broken",
        code: "repository-failing",
        about: at,
        says: `since ${repository.problem.since.toISOString()}: ${repository.problem.detail}`,
        mend: `lastgood repositories pushed ${repository.name}`,
      });
    }
    if (repository.deliver === "push" && repository.checkedOut.includes(repository.branch)) {
      found.push({
        kind: "unprotected",
        code: "branch-checked-out",
        about: at,
        says: `a work tree has ${repository.branch} checked out, so that no revert can be pushed to it`,
        mend: set(`repositories.${repository.name}.deliver`, "branch"),
      });
    }
    return found;
  });
}

function cycles({ config }: Facts): readonly Finding[] {
  return cyclesOf(config).map((cycle) => ({
    kind: "noted",
    code: "graph-cycle",
    about: "graph",
    says: `${cycle.join(" -> ")} is a cycle: triage cannot tell cause from effect along it`,
    mend: "lastgood config check",
  }));
}
