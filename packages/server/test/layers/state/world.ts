import { configSchema } from "../../../src/config/config.ts";
import type { ChangeId } from "../../../src/ids.ts";
import type { Json } from "../../../src/json/canonical.ts";
import { createDocumentWriter } from "../../../src/layers/state/document-writer.ts";
import { createState, type State } from "../../../src/layers/state/state.ts";
import type { Db } from "../../../src/store/database.ts";
import { realWorld } from "../../../src/world.ts";
import { startDatabase } from "../../support/database.ts";

export interface StateWorld extends AsyncDisposable {
  readonly db: Db;
  readonly state: State;
  readonly writer: ReturnType<typeof createDocumentWriter>;
  /** Writes `collection/id` as an agent, and returns the change. */
  put(target: string, agent: string, body: Json, options?: PutOptions): Promise<ChangeId>;
  /** The body at the head; undefined when there is none. */
  body(target: string): Promise<Json | undefined>;
  /** Empties all tables of this room and the ledger. */
  clear(): Promise<void>;
}

interface PutOptions {
  readonly task?: string;
  readonly derivedFrom?: readonly string[];
}

/** The room alone over a database of its own: `await using world = await startState()`. */
export async function startState(config: unknown = {}): Promise<StateWorld> {
  const store = await startDatabase();
  const { db } = store;
  const parsed = configSchema.parse(config);
  const configuration = { base: "/", current: () => parsed };
  const state = createState({ db, world: realWorld, configuration });
  const writer = createDocumentWriter({ db, world: realWorld, readers: () => [] });
  return {
    db,
    state,
    writer,
    async put(target, agent, body, { task, derivedFrom } = {}) {
      const author = { agent, task: task ?? null, session: null, reason: "" };
      const put = { body, expect: null, ...(derivedFrom && { derivedFrom }) };
      return (await state.documents.put(nameOf(target), put, author)).change;
    },
    async body(target) {
      const [row] = await db<{ body: string | null }[]>`
        select v.body from documents d join document_versions v on v.doc = d.doc and v.ver = d.ver
        where d.collection || '/' || d.id = ${target}`;
      return row?.body == null ? undefined : (JSON.parse(row.body) as Json);
    },
    async clear() {
      await db`truncate documents, document_versions, document_sources, changes cascade`;
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

export function nameOf(target: string) {
  const [collection = "", id = ""] = target.split("/");
  return { collection, id };
}
