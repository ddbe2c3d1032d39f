create table incidents (
  id text primary key,
  -- Raised by every move: two processes cannot both take an arrow from the same state.
  version int not null default 1,
  kind text not null check (kind in ('regression', 'drift', 'contradiction', 'storm')),
  signature text not null,
  severity text not null check (severity in ('critical', 'high', 'low')),
  service text not null,
  title text not null,
  state text not null,
  -- What only this state knows: the decision, the recovery, who took it and from where.
  phase jsonb not null,
  onset timestamptz not null,
  detected_at timestamptz not null,
  opened_at timestamptz not null,
  decided_at timestamptz,
  contained_at timestamptz,
  restored_at timestamptz,
  verified_at timestamptz,
  resumed_at timestamptz,
  closed_at timestamptz,
  taken_by text,
  -- When a person is called unless the damage is contained by then; null: called, or never.
  page_due_at timestamptz,
  paged_at timestamptz,
  -- Since when every symptom holds again without anybody having done anything.
  quiet_since timestamptz
);
create unique index incidents_one_open on incidents (signature)
  where state not in ('verified', 'resumed', 'closed');
create index on incidents (opened_at desc, id desc);
create index on incidents (state) where state <> 'closed';
create index on incidents (signature, verified_at desc);

create table incident_symptoms (
  incident text not null references incidents (id),
  signature text not null,
  service text not null,
  rule text not null,
  signal text not null,
  dimension text,
  customer_facing boolean not null,
  severity text not null,
  hard boolean not null,
  onset timestamptz not null,
  detected_at timestamptz not null,
  floor double precision not null,
  level double precision not null,
  evidence double precision not null,
  samples bigint not null,
  says text not null,
  primary key (incident, signature)
);
create index on incident_symptoms (signature);
create index on incident_symptoms (signal, onset);

-- The per-suspect table as triage last weighed it, with every observation. The row without a change
-- is "none of them".
create table incident_suspects (
  incident text not null references incidents (id),
  rank int not null,
  change_id uuid references changes (id),
  exposed_at timestamptz,
  deploy_id uuid,
  distance int,
  excluded text,
  factors jsonb not null,
  posterior double precision not null,
  witnesses text[] not null default '{}',
  observations text[] not null default '{}',
  weighed_at timestamptz not null,
  primary key (incident, rank)
);
create index on incident_suspects (change_id);

-- Every run of a check in a sandbox. `known_good` is set once the revision is known to be good: from
-- these the check's flake rate is learned.
create table incident_reruns (
  id bigint generated always as identity primary key,
  -- Null: a run while all was calm, to learn how often the check fails on what is good.
  incident text references incidents (id),
  service text not null,
  repository text not null,
  revision text not null,
  outcome text not null check (outcome in ('good', 'bad', 'cannot-tell')),
  exit_code int,
  at timestamptz not null,
  took_ms int not null,
  output text not null,
  known_good boolean not null default false
);
create index on incident_reruns (incident);
create index on incident_reruns (service, at desc) where known_good;

-- Every decision of triage, acted on or not.
create table incident_decisions (
  id bigint generated always as identity primary key,
  incident text not null references incidents (id),
  service text not null,
  at timestamptz not null,
  act text not null check (act in ('run', 'propose', 'watch', 'freeze', 'none')),
  would text not null check (would in ('run', 'freeze', 'none')),
  mode text not null,
  changes uuid[] not null,
  innocents uuid[] not null,
  posterior double precision not null,
  witnesses text[] not null,
  because text[] not null,
  recovery text
);
create index on incident_decisions (incident, at desc);
create index on incident_decisions (at desc);

-- What takes changes back is looked up by what it takes back.
create index on changes using gin (reverts) where reverts <> '{}';
