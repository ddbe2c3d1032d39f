-- What a candidate is compared by, as the judge remembers it: a restart goes on where it was.
create table release_trials (
  environment text not null,
  artifact text not null,
  fingerprint text not null,
  trial jsonb not null,
  updated_at timestamptz not null,
  primary key (environment, artifact)
);

-- Every floor that a release was held to, and where it came from: fixed when it began to serve.
create table release_floors (
  id bigint generated always as identity primary key,
  environment text not null,
  artifact text not null,
  version text not null,
  signal text not null,
  dimension text,
  m double precision not null check (m >= 0 and m < 1),
  origin jsonb not null,
  -- The version that it was measured from; null for an objective.
  of_version text,
  fixed_at timestamptz not null
);
create index on release_floors (environment, artifact, version, id desc);

-- Every change of what is said of a release, for good.
create table release_verdicts (
  id bigint generated always as identity primary key,
  environment text not null,
  artifact text not null,
  version text not null,
  at timestamptz not null,
  kind text not null check (kind in ('hold', 'regression', 'drift', 'insufficient', 'well')),
  verdict jsonb not null
);
create index on release_verdicts (environment, artifact, id desc);
