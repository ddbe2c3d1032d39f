/** Writes packages/server/lastgood.schema.json: `npm run schema`, after a change of the configuration. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { configJsonSchemaText } from "../packages/server/src/config/json-schema.ts";

const file = join(import.meta.dirname, "../packages/server/lastgood.schema.json");
await writeFile(file, configJsonSchemaText());
