-- Samples that came to a server that does not judge releases, on their way to the one that does.
create table handed_samples (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  samples jsonb not null
);
