-- Repositories registered over the API. Those of lastgood.yaml are read from there.
create table repositories (
  name text primary key,
  url text not null,
  branch text not null,
  deliver text not null check (deliver in ('push', 'branch')),
  credentials text,
  poll_ms int not null,
  registered_by text not null,
  registered_at timestamptz not null
);

-- How far the watch of a repository's branch has come: everything up to `tip` is in the ledger.
create table repository_positions (
  repository text primary key,
  branch text not null,
  tip text,
  looked_at timestamptz not null
);

-- A commit is recorded once, whatever is repeated.
create table repository_commits (
  repository text not null,
  commit_id text not null,
  change_id uuid not null references changes (id),
  patch_id text,
  -- The patch id of the commit turned round: what takes it back has this as its own.
  inverse_patch_id text,
  primary key (repository, commit_id)
);
create index on repository_commits (repository, patch_id) where patch_id is not null;

-- Reverts that were planned: enough to make the same commit again, and to know ours when it is seen.
create table reverts (
  repository text not null,
  commit_id text not null,
  branch text not null,
  from_id text not null,
  -- Newest first.
  commits text[] not null,
  message text not null,
  dated_at timestamptz not null,
  incident text,
  because text not null,
  reverts uuid[] not null,
  deliver text not null check (deliver in ('push', 'branch')),
  planned_at timestamptz not null default now(),
  -- Set before the push, so that the commit is recorded under this change whoever sees it first.
  change_id uuid,
  actor text,
  reason text,
  primary key (repository, commit_id)
);

-- What was rolled back and is refused while its incident is open.
create table bars (
  id uuid primary key,
  repository text not null,
  commit_id text not null,
  patch_id text,
  subject text not null,
  -- The commit that rolled it back.
  revert_commit text not null,
  incident text,
  because text not null,
  barred_by text not null,
  barred_at timestamptz not null,
  lifted_at timestamptz,
  lifted_by text,
  lifted_because text,
  unique (repository, revert_commit, commit_id)
);
create index on bars (repository) where lifted_at is null;
create index on bars (incident) where lifted_at is null;
