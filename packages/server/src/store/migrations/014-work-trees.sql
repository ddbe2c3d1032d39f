-- What was saved last of a session's work tree. The files lie in a git repository of ours on the machine that
-- took them; this is enough to say what was in it.
create table work_trees (
  session text primary key references sessions (id),
  agent text not null,
  -- A commit whose tree is the work tree.
  save text not null,
  saved_at timestamptz not null,
  report jsonb not null
);
create index on work_trees (agent, saved_at desc);
create index on work_trees (saved_at);
