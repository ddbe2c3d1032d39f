-- The passage of a release: candidate, shadow, canary, live, and back.
create table rollouts (
  id text primary key,
  -- Raised by every move: two processes cannot both take an arrow from the same phase.
  version int not null default 1,
  environment text not null,
  artifact text not null references artifacts (name),
  candidate text not null,
  purpose text not null check (purpose in ('release', 'drill')),
  phase text not null check (phase in ('candidate', 'shadow', 'canary', 'live', 'frozen',
    'rolling-back', 'rolled-back', 'superseded', 'refused')),
  -- What only this phase knows: the release before, the share, who turned it and why.
  state jsonb not null,
  plan jsonb not null,
  started_by text not null,
  started_at timestamptz not null,
  because text not null default '',
  moved_at timestamptz not null,
  ended_at timestamptz,
  foreign key (artifact, candidate) references releases
);
-- One dial, one rollout that turns it; and one that is live and watched.
create unique index rollouts_one_turning on rollouts (environment, artifact)
  where phase in ('candidate', 'shadow', 'canary', 'frozen', 'rolling-back');
create unique index rollouts_one_live on rollouts (environment, artifact) where phase = 'live';
create index on rollouts (started_at desc, id desc);
create index on rollouts (artifact, started_at desc);
create index on rollouts (started_at desc) where purpose = 'drill';

create table rollout_events (
  id bigint generated always as identity primary key,
  rollout text not null references rollouts (id),
  at timestamptz not null,
  actor text not null,
  event text not null,
  text text not null,
  details jsonb not null default '{}',
  -- A second event under the same key is the first one told again.
  key text,
  unique (rollout, key)
);
create index on rollout_events (rollout, id);

-- Whether what a rollback would go to is whole and starts, as it was seen last.
create table prior_probes (
  environment text not null,
  artifact text not null references artifacts (name),
  version text not null,
  ok boolean not null,
  starts boolean not null,
  says text not null,
  findings jsonb not null,
  at timestamptz not null,
  took_ms int not null,
  primary key (environment, artifact)
);

-- A dial that cannot go on by itself is a person's, as contradictions and storms are.
alter table incidents drop constraint incidents_kind_check;
alter table incidents add constraint incidents_kind_check
  check (kind in ('regression', 'drift', 'contradiction', 'storm', 'rollout'));
