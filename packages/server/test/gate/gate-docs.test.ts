import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { fencesOf, paste } from "../support/pasted.ts";
import { startServer } from "../support/server.ts";

test("what docs/gate.md says can be pasted, line by line", async () => {
  const [configuration = ""] = fencesOf("docs/gate.md", "yaml");
  await using server = await startServer(parse(configuration));
  const said = await paste("docs/gate.md", server, { folder: server.folder });
  const expected = [
    /ticket-router\/capitals is in the bank \(ticket-router\/capitals\.yaml\)/,
    /ticket-router\/other +ticket-router +checks +1 +json-path/,
    /ticket-router\/capitals +checks +passed +2 of 2\n/,
    /ticket-router\/capitals +checks +failed +1 of 2\n/,
    /shouted: "general" instead of "refunds"\nexit 5/,
    /\nrefuse: the check ticket-router\/capitals fails, which 13 passes: .*\nexit 5\n/,
    /\npromote: 15 against 13: 2 of 2 checks passed; no inputs are recorded/,
    /gate_\w+ +ticket-router:14 +13 +token:operator +\S+ +refuse/,
    /check\.ticket-router\.capitals +0\.5|check\.ticket-router\.capitals0\.5/,
    /Make a check of what failed under it: lastgood checks learn ticket-router\n/,
    /Nothing was added from ticket-router:14 against ticket-router:13: nothing that failed under ticket-router:14 is recorded with its input.*\nexit 5/,
    /production +ticket-router:13 +yes +2 of 2/,
    /"state":"ended".*"kind":"promote"/,
  ];
  for (const each of expected) assert.match(said, each);
  const [, listed = ""] = said.split(/RUN +RELEASE +AGAINST/);
  const [followed = "", rest] = listed.split(/ticket-router:14 in production is refused\n/);
  assert.ok(rest !== undefined, said);
  const reasons = [...followed.matchAll(/which 13 passes/g)];
  assert.equal(reasons.length, 1, `why it is refused is said once: ${followed}`);
  const { check } = await server.client.bankCheck("ticket-router/capitals");
  assert.equal(check.because, "who shouts still wants the money back");
});
