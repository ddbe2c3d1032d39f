-- Acts on the outside world. The row is there before the act is dispatched.
create table effects (
  id text primary key,
  agent text not null,
  -- The agent's fork when it was begun: within one fork a key means the same effect for ever.
  fork text not null,
  task text,
  key text not null,
  -- Where it was begun or dispatched last.
  session text not null,
  -- Names the try: a begin that is repeated because its answer was lost is recognised by it.
  attempt text,
  kind text not null,
  nature text not null
    check (nature in ('read-only', 'reversible', 'compensable', 'irreversible')),
  -- Compensation will go on from here: `confirmed` -> `compensated` | `irreversible`.
  state text not null check (state in
    ('intended', 'dispatched', 'confirmed', 'failed', 'unknown', 'compensated', 'irreversible')),
  request jsonb,
  result jsonb,
  -- Why it failed, or is unknown.
  error text,
  attempts int not null default 0,
  -- The sessions that dispatched it, the last 20: only their word counts when it comes late.
  dispatchers text[] not null default '{}',
  -- How often its recorded result stood in for doing it again.
  replayed int not null default 0,
  replayed_at timestamptz,
  intended_at timestamptz not null,
  dispatched_at timestamptz,
  settled_at timestamptz,
  settled_by text,
  settled_because text,
  -- What a session said of it after its own end.
  late_state text check (late_state in ('confirmed', 'failed')),
  late_session text,
  late_result jsonb,
  late_error text,
  late_at timestamptz,
  check ((state in ('confirmed', 'failed')) = (settled_at is not null)
    or state in ('compensated', 'irreversible')),
  check (state <> 'dispatched' or dispatched_at is not null),
  check ((late_state is null) = (late_at is null))
);
create index on effects (intended_at desc, id);
create index on effects (agent, intended_at desc, id);
create index on effects (task, intended_at desc) where task is not null;
create index on effects (session, intended_at desc);
create index on effects (agent, intended_at desc) where state = 'unknown';
create index on effects (settled_at);
create index on effects (replayed_at) where replayed > 0;

-- Every part is preceded by its length, so that no two keys can be taken for one another.
create function effect_id(agent text, fork text, task text, key text) returns text
language sql immutable parallel safe as $$
  select 'eff_' || left(encode(sha256(convert_to(
    octet_length(agent) || ':' || agent || octet_length(fork) || ':' || fork
      || coalesce(octet_length(task) || ':' || task, '-') || octet_length(key) || ':' || key,
    'UTF8')), 'hex'), 24)
$$;
