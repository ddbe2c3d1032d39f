create table recoveries (
  id text primary key,
  incident text,
  undo jsonb not null,
  plan jsonb not null,
  digest text not null,
  -- `layer:thing` of everything the plan moves: two recoveries never share one at the same time.
  targets text[] not null,
  state text not null check (state in ('planned', 'awaiting-approval', 'running', 'paused',
                                       'verified', 'failed', 'refused', 'superseded')),
  because text not null default '',
  planned_by text not null,
  run_by text,
  automatic boolean not null default false,
  approvals text[] not null default '{}',
  replaces text references recoveries (id),
  undoes text references recoveries (id),
  planned_at timestamptz not null,
  started_at timestamptz,
  captured_at timestamptz,
  ended_at timestamptz
);
create index on recoveries (incident);
create index on recoveries (planned_at desc);
create index on recoveries (state) where state in ('running', 'paused', 'awaiting-approval');

create table recovery_steps (
  recovery text not null references recoveries (id),
  index int not null,
  step jsonb not null,
  -- Fixed before the first try, so that a repeated apply records the same change.
  change_id uuid not null,
  state text not null check (state in ('pending', 'running', 'applied', 'verified', 'failed')),
  observed text[] not null default '{}',
  started_at timestamptz,
  applied_at timestamptz,
  ended_at timestamptz,
  primary key (recovery, index)
);

-- The bad window, as it was before anything was stopped or put back. Bounded; kept 90 days.
create table captures (
  id bigint generated always as identity primary key,
  recovery text not null references recoveries (id),
  kind text not null,
  name text not null,
  taken_at timestamptz not null,
  content bytea not null,
  cut boolean not null default false,
  unique (recovery, kind, name)
);

-- A contained hand: its tokens are suspended and its later pushes are not deployed until it is reinstated.
create table containments (
  agent text not null,
  since timestamptz not null,
  incident text,
  because text not null,
  change_id uuid not null unique,
  reinstated_at timestamptz
);
create unique index on containments (agent) where reinstated_at is null;

-- What the fleet was told of an incident, once per phase.
create table fleet_announcements (
  incident text not null,
  event text not null,
  told_at timestamptz not null,
  primary key (incident, event)
);
