-- One row per alteration by one actor in one layer.
create table changes (
  id uuid primary key,
  at timestamptz not null,
  layer text not null,
  kind text not null,
  target text not null,
  agent text not null,
  task text,
  session text,
  from_ref text,
  to_ref text,
  reason text not null default '',
  reverts uuid[] not null default '{}',
  details jsonb not null default '{}'
);
create index on changes (at desc, id desc);
create index on changes (agent, at desc);
create index on changes (task, at desc) where task is not null;
create index on changes (layer, target, at desc);
create index on changes (layer, to_ref);

-- When a change first reached a service that runs. A change that was never exposed cannot be a suspect.
create table exposures (
  change_id uuid not null references changes (id),
  service text not null,
  exposed_at timestamptz not null,
  -- Changes that went out together share the deploy's own change.
  deploy_id uuid references changes (id),
  withdrawn_at timestamptz,
  primary key (change_id, service)
);
create index on exposures (service, exposed_at desc);

-- What happened in an incident, told by whoever did it: the post-mortem's timeline.
create table incident_events (
  id bigint generated always as identity primary key,
  incident text not null,
  at timestamptz not null,
  actor text not null,
  event text not null,
  text text not null,
  details jsonb not null default '{}',
  key text,
  unique (incident, key)
);
create index on incident_events (incident, at);
