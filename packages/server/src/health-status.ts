import { get } from "node:http";
import { onUnaskedUpgrade } from "./unasked-upgrade.ts";

const askMsMax = 2_000;

/** The status of one GET on loopback; null when nothing answered in time, which is two seconds at most. */
export async function statusOf(
  port: number,
  path: string,
  withinMs: number,
): Promise<number | null> {
  return await new Promise((resolve) => {
    const signal = AbortSignal.timeout(Math.max(1, Math.min(askMsMax, Math.ceil(withinMs))));
    const request = get({ host: "127.0.0.1", port, path, agent: false, signal }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? null);
    });
    request.once("error", () => resolve(null));
    onUnaskedUpgrade(request, () => resolve(null));
  });
}
