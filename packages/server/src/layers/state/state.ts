import type { Configuration } from "../../config/config.ts";
import { carriersOf } from "../../config/graph.ts";
import type { App } from "../../http/app.ts";
import type { Db } from "../../store/database.ts";
import type { World } from "../../world.ts";
import type { Layer } from "../layer.ts";
import { createDocumentWriter } from "./document-writer.ts";
import { createDocuments, type Documents } from "./documents.ts";
import { revertRoutes } from "./revert-routes.ts";
import { createStateLayer } from "./state-layer.ts";
import { type OnRead, stateRoutes } from "./state-routes.ts";

export interface StateDeps {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
  /** Hears of every read of a document's latest version in a session. Must return at once. */
  readonly onRead?: OnRead;
}

export interface State {
  readonly documents: Documents;
  readonly layer: Layer<"state">;
  routes(app: App): void;
}

/** The layer of versioned documents. */
export function createState({ db, world, configuration, onRead }: StateDeps): State {
  const writer = createDocumentWriter({
    db,
    world,
    readers: (target) => carriersOf(configuration.current(), { layer: "state", target }),
  });
  const neverRevive = () => configuration.current().state.neverRevive;
  const deps = { db, world, writer, neverRevive };
  const documents = createDocuments(deps);
  return {
    documents,
    layer: createStateLayer(deps),
    routes(app) {
      stateRoutes(app, { db, world, documents, ...(onRead && { onRead }) });
      revertRoutes(app, deps);
    },
  };
}
