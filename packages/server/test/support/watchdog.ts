/**
 * Loaded into the process of each test file. One whose tests are over, or are stuck, and that something keeps alive would
 * hold up the whole run for ever: it fails instead, and says what it still held.
 */
import { afterEach, beforeEach } from "node:test";

/** Longer than any test may be silent: begin none of its own parts, and end none. */
const silenceMsMax = Number(process.env.LASTGOOD_TEST_SILENCE_MS ?? 420_000);

if (process.env.NODE_TEST_CONTEXT !== undefined) {
  const watchdog = setTimeout(() => {
    const held = process.getActiveResourcesInfo().join(", ");
    process.stderr.write(`no test began or ended for ${silenceMsMax} ms; still held: ${held}\n`);
    process.exit(1);
  }, silenceMsMax);
  watchdog.unref();
  const heard = () => void watchdog.refresh();
  beforeEach(heard);
  afterEach(heard);
}
