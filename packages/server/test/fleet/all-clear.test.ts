import assert from "node:assert/strict";
import { test } from "node:test";
import { summarise } from "../../src/fleet/all-clear.ts";

const normal = { contained: false, waiting: 0, died: 0 };

test("the all-clear counts who works again, and names who does not and why", () => {
  assert.equal(summarise([{ agent: "backend", ...normal }]), "1 of 1 agents normal");
  assert.equal(
    summarise([
      { agent: "backend", ...normal, contained: true },
      { agent: "marketing", ...normal, waiting: 2 },
      { agent: "search", ...normal, died: 1 },
      { agent: "frontend", ...normal },
    ]),
    "1 of 4 agents normal; backend is contained; marketing has 2 messages waiting; search has 1 dead letters",
  );
});
