-- How the release that serves did when the bank was last asked of it.
create table live_looks (
  environment text not null,
  artifact text not null,
  version text not null,
  -- What a rollback would go to, where it was asked too; null where it was not.
  prior text,
  at timestamptz not null,
  took_ms int not null,
  -- False: it fails what passed before, and what a rollback goes to passes. Null: it could not be told.
  ok boolean,
  passed int not null,
  checks int not null,
  says text not null,
  -- Each with why.
  failing jsonb not null,
  -- The checks that some live release passed.
  known text[] not null,
  primary key (environment, artifact)
);
