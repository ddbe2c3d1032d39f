-- Commits as progress markers: reported by a session, or seen by the watch of a repository.
create table checkpoints (
  commit_id text not null,
  agent text not null,
  repository text,
  session text,
  task text,
  subtask_n int,
  subtask_of int,
  type text,
  scope text,
  summary text not null,
  at timestamptz not null,
  author text not null,
  -- Commits of one second keep the order in which they were recorded.
  seq bigint generated always as identity,
  primary key (commit_id, agent),
  check ((subtask_n is null) = (subtask_of is null))
);
create index on checkpoints (at desc, seq desc);
create index on checkpoints (agent, at desc, seq desc);
create index on checkpoints (task, at desc, seq desc) where task is not null;
create index on checkpoints (session, at desc, seq desc) where session is not null;

-- Which version of a document a session read last: what changed since is told to its successor.
create table session_reads (
  session text not null references sessions (id) on delete cascade,
  collection text not null,
  id text not null,
  version bigint not null,
  at timestamptz not null,
  primary key (session, collection, id)
);
create index on session_reads (at);

-- What takes a change back is found from the change, and from when it was done.
create index on changes (at desc, id desc) where reverts <> '{}';
create index on containments (agent, since desc);
create index on message_consumers (role) where role is not null;
