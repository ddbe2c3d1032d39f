-- Who works: every agent that ever opened a session.
create table agents (
  name text primary key,
  -- Raised by every session of the agent.
  epoch bigint not null default 0,
  -- Within one fork, an effect's key means the same effect; a forked session begins another.
  fork text not null default '',
  parked_at timestamptz,
  parked_because text,
  -- The deaths before this count for no storm: somebody looked at them.
  released_at timestamptz
);

-- One run of an agent. Whoever writes for a session takes `for key share` on its row, and whoever ends it
-- `for update`: so nothing of a session is committed after its end.
create table sessions (
  id text primary key,
  agent text not null references agents (name),
  epoch bigint not null,
  door text not null,
  started_at timestamptz not null,
  ended_at timestamptz,
  exit_reason text check (exit_reason in
    ('completed', 'stopped', 'crashed', 'evicted', 'hung', 'fenced', 'parked')),
  -- When a death was noticed, and what was seen.
  detected_at timestamptz,
  detail text not null default '',
  -- The session that took over from a fenced one; null where its agent was contained.
  fenced_by text,
  lease_ms int not null,
  lease_until timestamptz not null,
  -- The last sign of life.
  heard_at timestamptz not null,
  suspect_since timestamptz,
  -- The agent's session before this one.
  previous text,
  tasks_started text[] not null default '{}',
  tasks_completed text[] not null default '{}',
  commits text[] not null default '{}',
  messages_processed bigint not null default 0,
  token_usage bigint not null default 0,
  recovery_tokens bigint not null default 0,
  -- After a death: when it got its brief, and when its first piece of work was done.
  briefed_at timestamptz,
  resumed_at timestamptz,
  work_tree jsonb,
  process jsonb,
  -- What it held was given back, and its end was told.
  settled_at timestamptz,
  check ((ended_at is null) = (exit_reason is null))
);
-- An agent lives once.
create unique index on sessions (agent) where ended_at is null;
create index on sessions (agent, started_at desc);
create index on sessions (started_at desc);
create index on sessions (ended_at) where settled_at is null and ended_at is not null;
create index on sessions (ended_at) where exit_reason = 'fenced';

-- Leases run only while somebody attends to them: after a gap they are prolonged by it.
create table fleet_watch (
  singleton boolean primary key default true check (singleton),
  attended_at timestamptz not null
);
