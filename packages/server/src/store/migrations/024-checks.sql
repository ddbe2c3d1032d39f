-- What the gate saw of a candidate, and what it decided. Its scores are also on the release.
create table gate_runs (
  id text primary key,
  environment text not null,
  artifact text not null,
  candidate text not null,
  -- What it was compared with; null where nothing was pinned.
  live text,
  -- Only these checks were run, and nothing was decided; null: the whole gate.
  only_checks text[],
  state text not null check (state in ('running', 'ended', 'broken-off')),
  by text not null,
  started_at timestamptz not null,
  ended_at timestamptz,
  -- How far it is, and when its server was heard of last.
  done int not null default 0,
  total int not null default 0,
  says text not null default '',
  seen_at timestamptz not null,
  verdict jsonb,
  shadow jsonb,
  checks jsonb not null default '[]',
  fault text,
  foreign key (artifact, candidate) references releases,
  check ((state = 'running') = (ended_at is null))
);
create index on gate_runs (started_at desc, id desc);
create index on gate_runs (artifact, candidate, started_at desc);
create index on gate_runs (seen_at) where state = 'running';
