import type { Db } from "../../src/store/database.ts";

/** A database that dies at its nth statement, and with it whoever uses it: as a kill would leave it. */
export function dyingAt(db: Db, statements: number): Db {
  let left = statements;
  const count = <T extends object>(target: T): T =>
    new Proxy(target, {
      apply(call, self, args) {
        // `db(rows)` only builds a part of a statement; a statement has the parts of a template.
        if (Array.isArray(args[0]) && "raw" in args[0] && left-- <= 0) throw new Error("killed");
        return Reflect.apply(call as never, self, args);
      },
      get(from, key) {
        if (key === "begin") {
          return (body: (tx: object) => Promise<unknown>) =>
            db.begin((tx) => body(count(tx)) as Promise<never>);
        }
        return Reflect.get(from, key);
      },
    });
  return count(db);
}
