import assert from "node:assert/strict";
import { test } from "node:test";
import { lastgood } from "../support/lastgood.ts";
import { paste } from "../support/pasted.ts";
import { startServer } from "../support/server.ts";
import { production, startRouter } from "./world.ts";

test("what docs/rollouts.md says can be pasted, line by line", async () => {
  const translator = {
    hold: "0ms",
    reverseHold: "0ms",
    ramp: [10, 100],
    probe: { start: ["true"] },
  };
  await using server = await startServer({ mode: "auto", rollouts: { translator } });
  const said = await paste("docs/rollouts.md", server, { folder: server.folder });
  assert.match(said, /translator:v14 in production is live: serves 100 %/);
  assert.match(said, /0 were in flight when translator moved at epoch \d+/);
  assert.match(said, /frozen at 50 % by token:operator: let me look/);
  assert.match(said, /production +translator:v13 +yes/);
  assert.match(said, /nobody says that they follow the pin: nothing was proven/);
  assert.match(said, /"candidate":"v13"/);
});

test("what is typed wrong about rollouts is refused with what to write instead", async () => {
  await using server = await startRouter();
  const env = {
    LASTGOOD_URL: server.lastgood.url,
    LASTGOOD_TOKEN: await server.tokenAs("operator"),
  };
  const rows: readonly (readonly [string, number, RegExp])[] = [
    ["rollout start router", 2, /no version is named/],
    ["rollout start router:v14 --ramp 50", 2, /is no ramp|rise and end at 100/],
    ["rollout start router:v14 --ramp many", 2, /"many" is no ramp/],
    ["rollout start router:v14 --hold soon", 2, /is not a span of time/],
    ["rollout start router:v14 --blue-green --ramp 50,100", 2, /at once.*leave one of them out/],
    ["deploy router:v14 --blue-green --ramp", 2, /at once.*leave one of them out/],
    ["rollout show router", 3, /no rollout router in production/],
    ["rollout freeze ro_000000000000 --because x", 3, /no rollout ro_000000000000/],
    ["rollout back router", 2, /--because/],
    ["rollout prior nothing", 3, /no artifact nothing/],
    ["drill reverse router", 5, /nothing to go back to/],
  ];
  for (let at = 0; at < rows.length; at += 3) {
    await Promise.all(
      rows.slice(at, at + 3).map(async ([line, code, says]) => {
        const said = await lastgood(line.split(" "), { env });
        assert.equal(said.code, code, `${line}: ${said.err}${said.out}`);
        assert.match(said.err, says, line);
      }),
    );
  }
  assert.equal((await server.client.pin(production, "router")).epoch, 1);
});
