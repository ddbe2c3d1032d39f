import type { Query } from "../store/database.ts";

export interface Audit {
  readonly at: Date;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly outcome: "done" | "denied";
  readonly because: string;
}

export async function audit(db: Query, entry: Audit): Promise<void> {
  await db`insert into audits ${db({ ...entry })}`;
}
