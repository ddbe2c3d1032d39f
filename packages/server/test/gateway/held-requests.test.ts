import assert from "node:assert/strict";
import { test } from "node:test";
import { createHeldRequests, type Held } from "../../src/gateway/held-requests.ts";

/** Only what is looked at here. */
function request(id: string, bytes = 10, artifact = "router"): Held {
  const asked = { artifact, body: { messages: "x".repeat(bytes) } };
  return { passing: { id, asked }, ended: {} } as unknown as Held;
}

const nextOf = ({ next }: ReturnType<typeof createHeldRequests>) => next()?.passing.id;

test("only what turned out is copied, oldest first, each once", () => {
  const held = createHeldRequests();
  for (const id of ["a", "b", "c"]) held.hold(request(id));
  assert.equal(nextOf(held), undefined);
  for (const id of ["c", "b", "nobody"]) held.turnedOut(id);
  assert.deepEqual([nextOf(held), nextOf(held), nextOf(held)], ["b", "c", undefined]);
});

test("the newest thousand and 16 MiB are held, and nothing once no copies are asked for", () => {
  const held = createHeldRequests();
  for (let n = 0; n < 1_500; n++) held.hold(request(`e${n}`));
  for (let n = 0; n < 1_500; n++) held.turnedOut(`e${n}`);
  assert.equal(nextOf(held), "e500");
  held.hold(request("large", 16_000_000));
  held.hold(request("larger", 16_000_000));
  held.turnedOut("large");
  held.turnedOut("larger");
  assert.deepEqual([nextOf(held), nextOf(held)], ["larger", undefined]);
  held.hold(request("a", 10, "router"));
  held.hold(request("b", 10, "writer"));
  held.keepOf(new Set(["writer"]));
  for (const id of ["a", "b"]) held.turnedOut(id);
  assert.deepEqual([nextOf(held), nextOf(held)], ["b", undefined]);
});
