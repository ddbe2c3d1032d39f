/** The room as a process of its own, so that it can be killed: argv = database URL, port, NATS URL. */
import { openDatabase } from "../../src/store/database.ts";
import { openRoom } from "./room.ts";

const [databaseUrl = "", port = "0", natsUrl = ""] = process.argv.slice(2);
const db = openDatabase(databaseUrl);
await openRoom({ db, port: Number(port), natsUrl: natsUrl === "" ? null : natsUrl });
process.stdout.write("ready\n");
