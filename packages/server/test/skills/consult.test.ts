/** Playbooks in an incidents room over a real database: what they lead to, and what becomes of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Incident, Recovery } from "@lastgood/sdk";
import { pino } from "pino";
import type { IncidentId } from "../../src/ids.ts";
import { requireSkill, usesOf } from "../../src/skills/skill-store.ts";
import { createSkills } from "../../src/skills/skills.ts";
import type { Db } from "../../src/store/database.ts";
import { realWorld } from "../../src/world.ts";
import { type Room, regression, startRoom, twoServices } from "../incidents/room.ts";
import { startDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { checkOf, recoveryOf } from "./records.ts";

const rule = "content-api.latency";
const skill = "lastgood-content-api-latency";
const damage = "-create index revisions_by_article on revisions (article_id);";

interface Setting {
  readonly db: Db;
  /** The lines of commits that are not innocent. */
  readonly diffs: Map<string, string>;
  /** Revisions whose check is red. */
  readonly bad: Set<string>;
}

/** The room, with playbooks that read the setting's diffs and learn when an incident is written up. */
async function startLearning({ db, diffs, bad }: Setting) {
  const recovery = async (incident: IncidentId): Promise<Recovery> => {
    const { decision, recovery: id } = await room.incidents.show(incident);
    return recoveryOf(incident, { id: id ?? "", changes: decision?.changes ?? [] });
  };
  const skills = createSkills({
    ...{ db, world: realWorld, log: pino({ level: "silent" }) },
    incidentOf: (id): Promise<Incident> => room.incidents.show(id),
    recoveryOf: recovery,
    checkOf: async (incident) => checkOf(incident),
    changedLines: async ({ id }) => diffs.get(id) ?? "+an innocent line",
  });
  const room: Room = await startRoom(db, {
    config: { ...twoServices, caps: { recoveriesPerDay: 100, recoveriesInARow: 100 } },
    check: (revision) => (bad.has(revision) ? "bad" : "good"),
    playbooks: skills,
    writeUps: { finish: (incident) => skills.learn(incident) },
  });
  return { room, skills };
}

/** Six commits in one deploy; the one at `guilty` and all after it fail the check. */
async function deployDamage({ diffs, bad }: Setting, room: Room, guilty: number, lines: string) {
  const agents = Array.from({ length: 6 }, (_, index) => `agent-${index}`);
  const pushed = await room.push("api", agents);
  const culprit = pushed[guilty] ?? assert.fail();
  // What did it before is back as it was, and no suspect of today.
  diffs.clear();
  diffs.set(culprit.commit, lines);
  bad.clear();
  for (const { commit } of pushed.slice(guilty)) bad.add(commit);
  return { culprit, pushed };
}

/** Opens an incident, and follows it until it is decided and `event` was told of its playbook. */
async function decided(room: Room, event?: string): Promise<Incident> {
  room.outside.runs.length = 0;
  room.say(regression({ rule, onset: new Date() }));
  const { id } = await room.only("decided", "frozen");
  return await until(`${event} to be told`, async () => {
    const incident = await room.incidents.show(id as IncidentId);
    return event === undefined || told(incident).includes(event) ? incident : null;
  });
}

async function putRight(room: Room, { id, recovery }: Incident): Promise<Incident> {
  for (const kind of ["contained", "restored", "verified", "resumed"] as const) {
    await room.tell(recovery ?? "", kind);
  }
  room.outside.states.clear();
  room.say(regression({ rule, kind: "hold" }));
  return await room.reaches(id, "closed");
}

const told = ({ timeline }: Incident) =>
  timeline.map(({ event }) => event).filter((event) => /^(playbook|skill)/.test(event));

test("what fails the same way is looked into where the playbook leads, and is proven there anew", async () => {
  await using store = await startDatabase();
  const setting: Setting = { db: store.db, diffs: new Map(), bad: new Set() };
  const { room } = await startLearning(setting);
  await using _ = room;

  await deployDamage(setting, room, 2, damage);
  const first = await decided(room);
  const runsAtFirst = room.outside.runs.length;
  const closed = await putRight(room, first);
  assert.deepEqual(told(closed), ["skill.written"]);
  assert.equal((await requireSkill(store.db, skill)).playbook.revision, 1);

  const wording = "-drop this one: revisions_by_article\n+create index others";
  const { culprit, pushed } = await deployDamage(setting, room, 4, wording);
  const second = await decided(room, "playbook.confirmed");
  assert.deepEqual(second.decision?.changes, [culprit.change]);
  assert.deepEqual(told(second), ["playbook.proposed", "playbook.confirmed"]);
  const runs = room.outside.runs;
  const pair = [culprit.commit, pushed[3]?.commit];
  assert.deepEqual(new Set(runs.slice(0, 2).map(({ revision }) => revision)), new Set(pair));
  assert.ok(runs.length < runsAtFirst, `${runs.length} runs, ${runsAtFirst} at first`);
  assert.deepEqual(second.decision?.witnesses, ["contrast", "rerun"], "the playbook is no witness");

  assert.deepEqual(told(await putRight(room, second)).slice(2), ["playbook.put-right"]);
  const { playbook, markdown } = await requireSkill(store.db, skill);
  assert.equal(playbook.revision, 2);
  assert.deepEqual(
    playbook.cases.map(({ incident }) => incident),
    [second.id, first.id],
  );
  assert.match(markdown, /put right 2 times/);
});

test("a playbook that was sure of its lead and wrong is marked, and is not consulted again", async () => {
  await using store = await startDatabase();
  const setting: Setting = { db: store.db, diffs: new Map(), bad: new Set() };
  const { room } = await startLearning(setting);
  await using _ = room;
  await deployDamage(setting, room, 2, damage);
  await putRight(room, await decided(room));
  const { id } = await requireSkill(store.db, skill);

  const { culprit, pushed } = await deployDamage(setting, room, 4, "+something else entirely");
  setting.diffs.set(pushed[1]?.commit ?? "", damage);
  const second = await decided(room, "playbook.mistaken");
  assert.deepEqual(second.decision?.changes, [culprit.change], "evidence decides");
  assert.deepEqual(told(second), ["playbook.proposed", "playbook.mistaken"]);
  const failed = await requireSkill(store.db, skill);
  assert.deepEqual([failed.id, failed.state], [id, "failed"]);
  assert.match(failed.because, new RegExp(`in ${second.id}`));
  assert.deepEqual(told(await putRight(room, second)).slice(2), ["skill.written"]);
  assert.notEqual((await requireSkill(store.db, skill)).id, id, "a new one was written");

  await deployDamage(setting, room, 4, damage);
  assert.deepEqual(told(await decided(room)), ["playbook.known"], "by the new one alone");
});

test("a playbook whose recovery fails, or is taken back by a person, is marked", async () => {
  await using store = await startDatabase();
  const setting: Setting = { db: store.db, diffs: new Map(), bad: new Set() };
  const { room, skills } = await startLearning(setting);
  await using _ = room;
  await deployDamage(setting, room, 2, damage);
  const first = await putRight(room, await decided(room));

  await deployDamage(setting, room, 5, damage);
  const second = await decided(room, "playbook.confirmed");
  await skills.recoveryMoved({
    ...{ recovery: second.recovery as never, incident: second.id as IncidentId },
    ...{ kind: "failed", at: new Date(), says: "the service does not answer" },
  });
  const failed = await requireSkill(store.db, skill);
  assert.equal(failed.state, "failed");
  assert.match(failed.because, /the recovery that it led to failed: the service does not answer/);
  const [use] = await usesOf(store.db, failed.id, 1);
  assert.equal(use?.outcome, "failed");
  await putRight(room, second);

  const active = await requireSkill(store.db, skill);
  assert.equal(active.state, "active");
  await store.db`
    insert into recoveries (id, undo, plan, digest, targets, state, planned_by, planned_at)
    values (${second.recovery}, '{}', '{}', 'd', '{}', 'verified', 'lastgood', now())`;
  await store.db`
    insert into recoveries (id, undo, plan, digest, targets, state, planned_by, run_by, undoes, planned_at)
    values ('rec_back', '{}', '{}', 'd', '{}', 'verified', 'token:eve', 'token:eve', ${second.recovery}, now())`;
  await deployDamage(setting, room, 3, damage);
  assert.deepEqual(told(await decided(room)), []);
  const undone = await requireSkill(store.db, skill);
  assert.deepEqual([undone.id, undone.state], [active.id, "failed"]);
  assert.match(undone.because, /was taken back by token:eve/);
  assert.ok(first.closedAt !== null);
});
