import postgres from "../vendor/postgres/index.js";

/** A small pool, as a small service has it. A query may take three seconds, then it is cancelled. */
export const database = postgres(process.env.DATABASE_URL, {
  max: 2,
  onnotice: () => {},
  connection: { statement_timeout: 3_000 },
});
