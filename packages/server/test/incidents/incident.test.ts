import assert from "node:assert/strict";
import { test } from "node:test";
import { incidentStates, mayAct } from "@lastgood/sdk";
import fc from "fast-check";
import type { IncidentId, RecoveryId } from "../../src/ids.ts";
import {
  advance,
  beginInvestigation,
  type Common,
  close,
  contain,
  type Decision,
  decide,
  freezeIncident,
  handBack,
  type Incident,
  mend,
  openIncident,
  raiseSeverity,
  recoveryOf,
  restore,
  resume,
  signatureOf,
  take,
  verify,
} from "../../src/incidents/incident.ts";
import { phaseOf, withPhase } from "../../src/incidents/incident-phase.ts";
import { graver, severityOf } from "../../src/incidents/severity.ts";

const recovery = "rec_1" as RecoveryId;
const decision: Decision = {
  at: new Date(5_000),
  act: "run",
  would: "run",
  mode: "auto",
  changes: [],
  innocents: [],
  agents: [],
  posterior: 0.99,
  witnesses: ["contrast", "rerun"],
  because: ["a test"],
};
const opened = openIncident({
  id: "inc_1" as IncidentId,
  kind: "regression",
  signature: "content-api/latency",
  severity: "high",
  service: "content-api",
  title: "content-api: latency went bad",
  onset: new Date(1_000),
  detectedAt: new Date(2_000),
  openedAt: new Date(3_000),
});

/** Every arrow that the incident's state has, by name. */
function arrowsOf(incident: Incident, at: Date): Record<string, () => Incident> {
  const toClosed = { close: () => close(incident as never, "dismissed", "a test", at) };
  switch (incident.state) {
    case "opened":
    case "handed-back":
      return {
        investigate: () => beginInvestigation(incident),
        take: () => take(incident, "ann"),
        ...(incident.state === "handed-back" ? toClosed : {}),
      };
    case "investigating":
      return {
        decide: () => decide(incident, { ...decision, at }, recovery),
        freeze: () => freezeIncident(incident, "a test"),
        take: () => take(incident, "ann"),
      };
    case "decided":
      return {
        contain: () => contain(incident, recovery, at),
        freeze: () => freezeIncident(incident, "a test"),
        investigate: () => beginInvestigation(incident),
        take: () => take(incident, "ann"),
        ...toClosed,
      };
    case "frozen":
      return {
        contain: () => contain(incident, recovery, at),
        investigate: () => beginInvestigation(incident),
        take: () => take(incident, "ann"),
        ...toClosed,
      };
    case "contained":
      return {
        restore: () => restore(incident, at),
        freeze: () => freezeIncident(incident, "failed"),
        take: () => take(incident, "ann"),
      };
    case "restored":
      return {
        verify: () => verify(incident, at),
        freeze: () => freezeIncident(incident, "failed"),
        take: () => take(incident, "ann"),
      };
    case "verified":
      return { resume: () => resume(incident, at) };
    case "resumed":
      return toClosed;
    case "taken":
      return {
        done: () => mend(incident, "ann"),
        "hand-back": () => handBack(incident, "ann"),
        ...toClosed,
      };
    case "mended":
      return { verify: () => verify(incident, at), freeze: () => freezeIncident(incident, "no") };
    case "closed":
      return {};
  }
}

/** What has columns of its own in the row. */
function columnsOf(incident: Incident): Common {
  const { id, kind, signature, severity, service, title, onset, detectedAt, openedAt } = incident;
  const { decidedAt, containedAt, restoredAt, verifiedAt, resumedAt, closedAt } = incident;
  return {
    ...{ id, kind, signature, severity, service, title, onset, detectedAt, openedAt },
    ...{ decidedAt, containedAt, restoredAt, verifiedAt, resumedAt, closedAt },
  };
}

const walk = fc.array(fc.nat(), { maxLength: 30 }).map((choices) => {
  const path: Incident[] = [opened];
  for (const [index, choice] of choices.entries()) {
    const arrows = Object.values(arrowsOf(path.at(-1) ?? opened, new Date(10_000 + index)));
    if (arrows.length === 0) break;
    path.push(arrows[choice % arrows.length]?.() ?? opened);
  }
  return path;
});
const times = ["decidedAt", "containedAt", "restoredAt", "verifiedAt", "resumedAt"] as const;

test("whatever arrows are taken, a time once set stays, and identity, onset and severity are kept", () => {
  fc.assert(
    fc.property(walk, (path) => {
      for (const [index, now] of path.entries()) {
        const before = path[index - 1];
        if (before === undefined) continue;
        for (const time of times) {
          if (before[time] !== null) assert.deepEqual(now[time], before[time]);
        }
        assert.equal(now.id, before.id);
        assert.equal(now.onset, before.onset);
        assert.equal(graver(before.severity, now.severity), now.severity);
      }
    }),
  );
});

test("the row of an incident gives the same incident back", () => {
  fc.assert(
    fc.property(walk, (path) => {
      for (const incident of path) {
        const phase: unknown = JSON.parse(JSON.stringify(phaseOf(incident)));
        assert.deepEqual(withPhase(columnsOf(incident), phase), incident);
      }
    }),
  );
});

test("what the table allows to a person, the state machine has an arrow for, and the other way round", () => {
  fc.assert(
    fc.property(walk, (path) => {
      for (const incident of path) {
        const arrows = Object.keys(arrowsOf(incident, new Date(0)));
        for (const action of ["take", "done", "hand-back", "close"] as const) {
          assert.equal(
            mayAct(action, incident.state),
            arrows.includes(action),
            `${action} in ${incident.state}`,
          );
        }
      }
    }),
  );
  assert.ok(incidentStates.every((state) => mayAct("close", state) || state !== "resumed"));
});

test("a recovery takes an incident forward and never back, and never out of a person's hands", () => {
  const phases = ["contained", "restored", "verified", "resumed"] as const;
  const order: readonly Incident["state"][] = ["decided", ...phases];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...phases), { maxLength: 8 }), (told) => {
      let now: Incident = decide(beginInvestigation(opened), decision, recovery);
      let furthest = 0;
      for (const phase of told) {
        now = advance(now, phase, recovery, new Date(9_000));
        furthest = Math.max(furthest, order.indexOf(phase));
        assert.equal(now.state, order[furthest]);
      }
    }),
  );
  const taken = take(beginInvestigation(opened), "ann");
  assert.equal(advance(taken, "resumed", recovery, new Date()), taken);
});

test("a recovery that was planned again takes the incident over at every rung, and what is told of it again changes nothing", () => {
  const again = "rec_2" as RecoveryId;
  const phases = ["contained", "restored", "verified", "resumed"] as const;
  const decided = decide(beginInvestigation(opened), decision, recovery);
  for (const [rung, before] of phases.slice(0, -1).entries()) {
    const by1 = advance(decided, before, recovery, new Date(6_000));
    for (const told of phases.slice(before === "verified" ? 3 : 0)) {
      const by2 = advance(by1, told, again, new Date(7_000));
      assert.equal(recoveryOf(by2), again, `${told} after ${before}`);
      assert.equal(by2.state, phases[Math.max(rung, phases.indexOf(told))]);
      assert.equal(advance(by2, told, again, new Date(8_000)), by2);
    }
  }
  const over = advance(decided, "resumed", recovery, new Date(6_000));
  assert.equal(advance(over, "contained", again, new Date(7_000)), over);
});

test("an incident taken out of a recovery goes back to where the recovery was", () => {
  const decided = decide(beginInvestigation(opened), decision, recovery);
  const contained = contain(decided, recovery, new Date(6_000));
  assert.deepEqual(handBack(take(contained, "ann"), "ann"), contained);
  assert.equal(handBack(take(decided, "ann"), "ann").state, "handed-back");
  const raised = raiseSeverity(take(contained, "ann"), "critical");
  assert.equal(handBack(raised, "ann").severity, "critical");
});

test("what has no arrow does not compile", () => {
  const illegal = () => {
    const closed = close(opened, "dismissed", "a test", new Date());
    // @ts-expect-error: nothing leaves `closed` (I2).
    take(closed, "ann");
    // @ts-expect-error: nothing is decided before it was looked into.
    decide(opened, decision, recovery);
    // @ts-expect-error: what was not restored cannot be verified.
    verify(decide(beginInvestigation(opened), decision, recovery), new Date());
    // @ts-expect-error: nothing automatic moves what a person has.
    contain(take(opened, "ann"), recovery, new Date());
  };
  assert.ok(illegal);
});

test("two customer-facing services failing are never low, and a rule's own severity stands", () => {
  const symptom = { service: "a", severity: "low", customerFacing: true } as const;
  assert.equal(severityOf([symptom]), "low");
  assert.equal(severityOf([symptom, { ...symptom, service: "b" }]), "high");
  assert.equal(severityOf([symptom, { ...symptom, severity: "critical" }]), "critical");
  assert.equal(signatureOf({ service: "a", rule: "r", dimension: null }), "a/r");
  assert.equal(
    signatureOf({ service: "a", rule: "r", dimension: "language=de" }),
    "a/r/language=de",
  );
});
