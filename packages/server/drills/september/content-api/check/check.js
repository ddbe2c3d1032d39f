/**
 * What must hold for this service to be good: exits 0 for good, 1 for bad, 125 for cannot tell.
 * The first check that fails ends it.
 */
import { frontPage } from "./front-page.js";
import { publishing } from "./publishing.js";

const service = `http://127.0.0.1:${process.env.PORT}`;
const checks = { "front page": frontPage, publishing };

for (const [name, check] of Object.entries(checks)) {
  const problem = await check(service).catch((error) => error.message);
  console.log(problem === null ? `ok ${name}` : `not ok ${name}: ${problem}`);
  if (problem !== null) process.exit(1);
}
