-- Written from the records when a recovery is verified; finished by its owner.
create table post_mortems (
  incident text primary key,
  recovery text,
  content jsonb not null,
  markdown text not null,
  written_at timestamptz not null,
  updated_at timestamptz not null
);

-- A check is accepted only when run: red on the bad revision, green on the good one, outputs kept.
create table checks (
  id text primary key,
  incident text not null,
  service text not null,
  command text[] not null,
  bad_revision text not null,
  good_revision text not null,
  accepted boolean not null,
  because text not null,
  runs jsonb not null,
  made_at timestamptz not null
);
create index on checks (incident);
