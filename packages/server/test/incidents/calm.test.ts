import assert from "node:assert/strict";
import { test } from "node:test";
import type { RuleStatus, Service } from "@lastgood/sdk";
import { calmAmong } from "../../src/incidents/calm.ts";

const now = new Date("2026-09-21T08:00:10Z");
const service = {
  name: "content-api",
  repository: "content-api",
  revision: "a".repeat(40),
  state: "serving",
  since: "2026-09-21T08:00:00Z",
} as Service;
const holds = { service: "content-api", verdict: "hold" } as RuleStatus;

test("a service is calm that has served for a while, with a rule that holds and none that is bad", () => {
  const names = (each: Service, rules: readonly RuleStatus[]) =>
    calmAmong([each], rules, now).map((found) => found.service);
  assert.deepEqual(names(service, [holds]), ["content-api"]);
  assert.deepEqual(names(service, []), [], "nothing says that it is well");
  assert.deepEqual(names(service, [holds, { ...holds, verdict: "regression" }]), []);
  assert.deepEqual(names({ ...service, since: "2026-09-21T08:00:08Z" }, [holds]), []);
  assert.deepEqual(names({ ...service, state: "restarting" }, [holds]), []);
  assert.deepEqual(names({ ...service, repository: null }, [holds]), []);
});
