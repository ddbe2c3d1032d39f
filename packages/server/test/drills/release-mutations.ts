/** What the drills of releases must fail over: pins that do not go back, a judge that is blind, work done again wrongly. */
import { refundSpec } from "../../src/drills/refund-spec/refund-spec.ts";
import { supportRouter } from "../../src/drills/support-router/support-router.ts";
import type { ReleaseJudge } from "../../src/rollouts/neighbours.ts";
import { before } from "./eviction-mutations.ts";
import { doing, idle } from "./mutated-layer.ts";
import type { Mutation, StoryToFail } from "./mutation.ts";

/** A dial that stays where it is would be waited for, and a model that is not suspected. */
const surge: StoryToFail = {
  ...{ drill: supportRouter, seed: 36, variant: "surge" },
  patienceMs: 45_000,
};
const outage: StoryToFail = {
  ...{ drill: supportRouter, seed: 36, variant: "outage" },
  patienceMs: 20_000,
};
const refunds: StoryToFail = { drill: refundSpec, seed: 4, variant: null };

const notBack = /did not take: support-router is not back/;
const confirmed = "the regression was confirmed against v13 on the same traffic";
const wholeRamp = "the reverse ramp was taken: a part to v13 while it was watched, then all";
const backInTime =
  "from the trigger to v13 serving everything it took less than 10 s, ramp included";
const paidOnce = "each refund that failed was queued again and paid once";
const neverTwice = "no refund was paid twice, and none that nobody is owed";

/** Lets every release pass, and finds nothing of what it does. */
const blindJudge: ReleaseJudge = {
  watch() {},
  unwatch() {},
  verdictOf: () => ({
    ...{ kind: "well", signal: "success", dimension: null, method: "paired", evidence: 0 },
    ...{ level: 1, against: 1, samples: 1_000, onset: null, control: null, controlIsWell: null },
    ...{ failing: [], says: "all is well" },
  }),
  onVerdict: () => () => {},
};

export const releaseMutations: readonly Mutation[] = [
  {
    name: "versions-nothing",
    story: surge,
    what: "the versions layer's apply does nothing",
    caughtBy: { verification: notBack, proofs: [wholeRamp, backInTime] },
    seams: () => doing("versions", idle),
  },
  {
    name: "versions-half",
    story: surge,
    what: "half of the keys go back to the release before, and the others never",
    caughtBy: { verification: notBack, proofs: [wholeRamp, backInTime] },
    seams: () =>
      doing("versions", async (ours, step, ...rest) => {
        const { environment, artifact, from, to, bars, lifts, incident, reverts } = step.action;
        const half = [...from.shares, ...to].map(({ version }) => ({ version, share: 50 }));
        const action = { environment, artifact, from, bars, lifts, incident, reverts, to: half };
        await ours.apply({ ...step, action: { ...action, do: "move-pin" } }, ...rest);
      }),
  },
  {
    name: "judge-sees-nothing",
    story: surge,
    what: "the judge of releases says that all is well without a look, and a surge comes",
    caughtBy: { verification: null, incident: "none", proofs: [confirmed, wholeRamp, backInTime] },
    seams: () => ({ judge: blindJudge }),
  },
  {
    name: "judge-sees-no-outage",
    story: outage,
    what: "the same, and an outage comes",
    caughtBy: { verification: null, incident: "any", proofs: ["v13 was seen to suffer alike"] },
    seams: () => ({ judge: blindJudge }),
  },
  {
    name: "requeue-twice",
    story: refunds,
    what: "what is queued again is queued for another agent as well",
    caughtBy: { verification: null, proofs: [paidOnce, neverTwice] },
    breaks: (db) =>
      before(db, {
        ...{ what: "update", table: "executions" },
        trigger: `
          if new.state = 'requeued' and old.state = 'failed' then
            insert into executions select (jsonb_populate_record(old, jsonb_build_object(
              'id', 'exe_' || md5(old.id), 'attempt', old.attempt + 100, 'state', 'requeued',
              'agent', case old.agent when 'service-1' then 'service-2' else 'service-1' end))).*;
          end if;
          return new;`,
      }),
  },
  {
    name: "requeue-loses-one",
    story: refunds,
    what: "one of those that are queued again is queued for nobody",
    caughtBy: { verification: null, proofs: [paidOnce] },
    breaks: (db) =>
      before(db, {
        ...{ what: "update", table: "executions" },
        trigger: `
          if new.state = 'requeued' and not exists (select from executions where agent = 'nobody') then
            new.agent := 'nobody';
          end if;
          return new;`,
      }),
  },
];
