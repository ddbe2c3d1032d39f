/** One process of Lastgood: deploys the tip, says so, and lives until it is killed. */
import { openDatabase } from "../../src/store/database.ts";
import { openRuntime } from "./service-world.ts";

const [folder = "", port = "", databaseUrl = ""] = process.argv.slice(2);
const { runtime, mirrors } = await openRuntime(openDatabase(databaseUrl), {
  folder,
  port: Number(port),
});
await (await mirrors.of("api")).fetch(AbortSignal.timeout(60_000));
const order = { revision: null, reason: null, override: false, actor: "lastgood" };
process.stdout.write("deploying\n");
await runtime.services.deploy("content-api", order);
process.stdout.write("deployed\n");
setInterval(() => {}, 1_000);
