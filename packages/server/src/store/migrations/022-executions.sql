-- A piece of work done under a release. Its key names the work; each further run of the same work is a row of its
-- own, so that a row belongs to one release for ever.
create table executions (
  id text primary key,
  environment text not null,
  artifact text not null,
  key text not null,
  attempt int not null default 1 check (attempt >= 1),
  -- What the release was chosen by, where the pin is split.
  target text not null,
  version text not null,
  epoch bigint not null,
  state text not null check (state in
    ('running', 'finished', 'failed', 'switched', 'cancelled', 'requeued', 'retried')),
  door text not null check (door in ('sdk', 'http', 'gateway', 'mirror')),
  agent text,
  session text,
  dimensions jsonb,
  input jsonb,
  output jsonb,
  -- SHA-256 of the output's canonical text, also where the output itself is not kept.
  output_digest text,
  -- Why it failed or was cancelled; kept when it is tried again.
  error text,
  -- Why it was not cancelled although its pin moved.
  spared text,
  previous text,
  next text,
  -- The live request whose copy this is.
  mirror_of text,
  score double precision check (score between 0 and 1),
  begun_at timestamptz not null,
  ended_at timestamptz,
  -- Not heard of by then, a running one has failed.
  expires_at timestamptz not null,
  expire_ms bigint not null,
  check ((state = 'running') = (ended_at is null)),
  check (state not in ('switched', 'retried') or next is not null),
  -- One run follows another: whoever comes second finds the first.
  unique (environment, artifact, key, attempt)
);
create index on executions (begun_at desc, id);
create index on executions (environment, artifact, begun_at desc);
create index on executions (artifact, version, begun_at desc);
create index on executions (environment, artifact, version) where state in ('failed', 'cancelled', 'requeued');
create index on executions (expires_at) where state = 'running';
create index on executions (session) where state = 'running';
create index on executions (artifact, begun_at desc) where input is not null;
create index on executions (mirror_of) where mirror_of is not null;

-- What turned out to be right, minutes or days later. The last one counts.
create table execution_outcomes (
  id bigint generated always as identity primary key,
  execution text not null references executions (id) on delete cascade,
  at timestamptz not null,
  by text not null,
  score double precision not null check (score between 0 and 1),
  expected jsonb,
  note text not null default ''
);
create index on execution_outcomes (execution, id desc);

-- A part of an artifact's live requests is also sent to another release: its answers are compared, never served.
create table mirrors (
  environment text not null,
  artifact text not null,
  version text not null,
  percent double precision not null check (percent > 0 and percent <= 100),
  by text not null,
  because text not null default '',
  begun_at timestamptz not null,
  until timestamptz not null,
  primary key (environment, artifact)
);
