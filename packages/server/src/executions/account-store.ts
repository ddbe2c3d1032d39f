/** What became of the executions that were in flight when a pin moved. */
import type { Query } from "../store/database.ts";

export interface Account {
  readonly inFlight: number;
  readonly running: number;
  readonly finished: number;
  readonly switched: number;
  readonly retried: number;
  readonly failed: number;
  readonly waiting: number;
  readonly spared: number;
}

export interface PinMove {
  readonly environment: string;
  readonly artifact: string;
  readonly epoch: number;
  readonly at: Date;
}

/**
 * Those that were begun by an earlier pin and had not ended when it moved: also who began a moment later, and had
 * not heard of it. Each is in one state, so the counts add up; copies of live requests are not counted.
 */
export async function accountOf(
  db: Query,
  { environment, artifact, epoch, at }: PinMove,
): Promise<Account> {
  const [row] = await db<Account[]>`
    select count(*) as "inFlight",
      count(*) filter (where state = 'running') as running,
      count(*) filter (where state = 'finished') as finished,
      count(*) filter (where state = 'switched') as switched,
      count(*) filter (where state = 'retried') as retried,
      count(*) filter (where state = 'failed') as failed,
      count(*) filter (where state in ('cancelled', 'requeued')) as waiting,
      count(*) filter (where spared is not null) as spared
    from executions
    where environment = ${environment} and artifact = ${artifact} and epoch < ${epoch}
      and (ended_at is null or ended_at > ${at}) and door <> 'mirror'`;
  return row ?? nothing;
}

const nothing: Account = {
  ...{ inFlight: 0, running: 0, finished: 0, switched: 0 },
  ...{ retried: 0, failed: 0, waiting: 0, spared: 0 },
};
