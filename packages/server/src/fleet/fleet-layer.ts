/**
 * The hand that did it is a layer of its own: containing it is a step like any other, journaled,
 * verified and taken back. It is told why, in its own inbox.
 */
import type { Configuration } from "../config/config.ts";
import type { AgentName } from "../ids.ts";
import { emptyPlan, type Layer, type Plan, type Step, type Undo } from "../layers/layer.ts";
import type { Inboxes } from "../layers/messages/inboxes.ts";
import { recordChanges } from "../ledger/ledger-store.ts";
import type { Db, Tx } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Containment } from "./containment.ts";
import { containAgent, containmentsInForce, reinstateAgent, tokensOf } from "./fleet-store.ts";

export interface FleetLayerDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  readonly inboxes: Inboxes;
  /** Ends the agent's living session: what it goes on doing is refused. */
  fence(tx: Tx, agent: string, because: string): Promise<void>;
}

type FleetStep = Step<"fleet">;

export function createFleetLayer({
  db,
  world,
  configuration,
  inboxes,
  fence,
}: FleetLayerDeps): Layer<"fleet"> {
  return {
    kind: "fleet",

    async plan(undo) {
      const declared = configuration.current().agents;
      const known = undo.agents.filter((agent) => agent in declared);
      const unknown = undo.agents.filter((agent) => !(agent in declared));
      return {
        ...emptyPlan,
        steps: known.flatMap((agent) => [
          stepOf("contain", agent, undo),
          stepOf("reinstate", agent, undo),
        ]),
        gaps: unknown.map(
          (agent) =>
            `${agent} is not a declared agent: it is not contained, and what it pushes meanwhile is deployed (declare it under \`agents\`).`,
        ),
      };
    },

    async apply({ action }, { changeId, actor, reason }) {
      const at = world.now();
      const change = {
        id: changeId,
        at,
        layer: "fleet",
        kind: action.do,
        target: action.agent,
        agent: actor,
        reason,
      } as const;
      await db.begin(async (tx) => {
        if (action.do === "contain") {
          const { agent, incident, because } = action;
          await containAgent(tx, { agent, at, incident, because, id: changeId });
          await fence(tx, agent, `contained: ${because}`);
        } else {
          await reinstateAgent(tx, action.agent, action.incident, at);
        }
        await recordChanges(tx, [change]);
      });
      await inboxes.tell(action.agent, {
        id: `${action.do}-${changeId}`,
        type: `agent.${action.do === "contain" ? "contained" : "reinstated"}`,
        text: action.because,
        details: { incident: action.incident },
      });
    },

    async verify({ action }) {
      const { agent, incident } = action;
      const holding = await containmentsInForce(db, agent);
      const isHeld = holding.some((each) => each.incident === incident);
      const tokens = await tokensOf(db, agent);
      const wrong = tokens.filter(({ suspended }) => suspended !== holding.length > 0);
      const state = holding.length > 0 ? "contained" : "free";
      if (isHeld === (action.do === "contain") && wrong.length === 0) {
        const others = holding.filter((each) => each.incident !== incident);
        return {
          ok: true,
          observed: [
            `${agent} is ${state}, ${tokens.length} tokens agree`,
            ...others.map((each) => `${agent} is still held for ${sayWhy(each)}`),
          ],
        };
      }
      return {
        ok: false,
        differences: [
          `${agent} is ${state}${isHeld ? ", also for this" : ""}; ${wrong.length} of its ${tokens.length} tokens disagree`,
        ],
      };
    },

    async undo({ action }): Promise<Plan<"fleet">> {
      const opposite = action.do === "contain" ? "reinstate" : "contain";
      // A reinstated hand is not contained again by taking a recovery back: nothing new speaks against it.
      return opposite === "contain"
        ? emptyPlan
        : { ...emptyPlan, steps: [{ ...stepWith("reinstate", action), stage: "release" }] };
    },
  };
}

function sayWhy({ incident, because }: Containment): string {
  return incident === null ? because : `${incident}: ${because}`;
}

function stepOf(what: "contain" | "reinstate", agent: AgentName, undo: Undo): FleetStep {
  return stepWith(what, {
    do: what,
    agent,
    incident: undo.incident,
    because: what === "contain" ? undo.because : `Put right. ${undo.because} Do not re-apply it.`,
  });
}

function stepWith(what: "contain" | "reinstate", action: FleetStep["action"]): FleetStep {
  return {
    layer: "fleet",
    stage: what === "contain" ? "contain" : "release",
    action: { ...action, do: what },
    says:
      what === "contain"
        ? `Contain ${action.agent}: its tokens are suspended and its later pushes are not deployed`
        : `Reinstate ${action.agent}`,
  };
}
