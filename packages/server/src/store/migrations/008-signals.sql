-- The last samples of each signal, as they came: one row for what came between two writes.
create table signal_chunks (
  id bigint generated always as identity primary key,
  service text not null,
  signal text not null,
  from_at timestamptz not null,
  until_at timestamptz not null,
  n int not null,
  samples jsonb not null
);
create index on signal_chunks (service, signal, id desc);

-- Ten seconds of one signal (a minute of it, once it is a day old): counts, and a subset of the
-- measured values.
create table signal_buckets (
  service text not null,
  signal text not null,
  at timestamptz not null,
  span_ms int not null,
  n int not null,
  judged int not null,
  good int not null,
  measured int not null,
  measured_values double precision[] not null,
  primary key (service, signal, span_ms, at)
);
create index on signal_buckets (at);

-- What each rule's detectors remember, so that a restart goes on where they were.
create table rule_states (
  rule text primary key,
  fingerprint text not null,
  state jsonb not null,
  updated_at timestamptz not null
);

-- Every change of a verdict, for good: what would-have and post-mortems read.
create table rule_verdicts (
  id bigint generated always as identity primary key,
  rule text not null,
  service text not null,
  dimension text,
  at timestamptz not null,
  kind text not null check (kind in ('hold', 'regression', 'drift', 'insufficient')),
  verdict jsonb not null
);
create index on rule_verdicts (rule, at desc);
create index on rule_verdicts (at desc);

-- The evidence for it: the state of a detector every so many samples.
create table rule_trajectories (
  id bigint generated always as identity primary key,
  rule text not null,
  dimension text,
  at timestamptz not null,
  kind text not null,
  samples bigint not null,
  evidence double precision not null,
  threshold double precision not null,
  floor double precision,
  level double precision
);
create index on rule_trajectories (rule, id desc);

-- What people noticed. Three distinct reporters on one service within an hour are a witness.
create table reports (
  id text primary key,
  at timestamptz not null,
  service text not null,
  reporter text not null,
  text text not null
);
create index on reports (service, at desc);
