/** Opens a sandbox and says where it runs, to be killed with it open. */
import { openSandboxes } from "./sandbox-world.ts";

const [folder = "", adminUrl = "", revision = ""] = process.argv.slice(2);
const { sandboxes } = await openSandboxes(folder, adminUrl, {});
await sandboxes.open("content-api", revision, AbortSignal.timeout(150_000));
process.stdout.write("open\n");
setInterval(() => {}, 1_000);
