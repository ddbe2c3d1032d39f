-- What Lastgood remembers of each service it serves. What really runs is read from the world.
create table service_records (
  service text primary key,
  served text,
  served_since timestamptz,
  -- The deploy that brought it, in the ledger.
  change_id uuid references changes (id),
  -- {changeId, to, actor, reason}: written before the world is touched.
  intent jsonb,
  -- While set, deploys on push wait: for the end of the recovery, or for a person.
  pinned_by uuid,
  pinned_until text check (pinned_until in ('recovered', 'person')),
  pinned_because text,
  pinned_at timestamptz,
  -- {revision, at, attempts, because}
  failure jsonb,
  -- {revision, at, because}: what the gate does not let out.
  held jsonb,
  stopped_at timestamptz
);

-- What happened to a service: deploys that failed or were held, instances that exited.
create table service_events (
  id bigint generated always as identity primary key,
  service text not null,
  at timestamptz not null,
  event text not null,
  text text not null,
  details jsonb not null default '{}',
  -- The same thing told again is dropped.
  key text not null,
  unique (service, key)
);
create index on service_events (service, at desc);
