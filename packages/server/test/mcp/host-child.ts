/** A host that begins an agent's session, says which, and lives until it is killed. */
import { connectHost } from "./hosts.ts";

const [url = "", token = ""] = process.argv.slice(2);
const host = await connectHost("v2", { url, token });
const { session } = await host.ok("session_start", { lease_seconds: 1 });
process.stdout.write(`${String(session)} ${host.pid}\n`);
setInterval(() => {}, 60_000);
