-- What is to be done. A claim is in force while the task is in progress and the session that holds it is not
-- over: whoever reads joins `sessions`, so that the dead hold nothing, whatever else fails.
create table tasks (
  id text primary key,
  title text not null,
  state text not null default 'pending'
    check (state in ('pending', 'in_progress', 'blocked', 'completed')),
  agent text,
  role text,
  assigner text not null,
  artifact jsonb,
  details jsonb,
  -- SHA-256 of what was asked for: asking again for the same changes nothing.
  asked text not null,
  -- Who works on it, or worked on it last.
  worker_agent text,
  worker_session text,
  worker_since timestamptz,
  blocked_because text,
  failures int not null default 0,
  result jsonb,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  check (agent is null or role is null),
  check (state <> 'in_progress' or worker_session is not null),
  check ((worker_session is null) = (worker_agent is null)),
  check ((state = 'blocked') = (blocked_because is not null))
);
create index on tasks (updated_at desc, id);
create index on tasks (agent, updated_at desc) where state <> 'completed';
create index on tasks (role, updated_at desc) where state <> 'completed';
create index on tasks (worker_agent, updated_at desc) where state <> 'completed';
create index on tasks (worker_session) where state = 'in_progress';

create table subtasks (
  task text not null references tasks (id) on delete cascade,
  n int not null check (n >= 1),
  title text not null,
  state text not null default 'pending' check (state in ('pending', 'in_progress', 'completed')),
  updated_at timestamptz not null,
  primary key (task, n)
);

-- What happened to a task. Kept 90 days.
create table task_history (
  id bigint generated always as identity primary key,
  task text not null references tasks (id) on delete cascade,
  at timestamptz not null,
  what text not null,
  -- An agent, or a person as `token:<name>`; with the session it did it in.
  who text not null,
  session text,
  from_state text,
  to_state text not null,
  subtask int,
  because text not null default ''
);
create index on task_history (task, id desc);
create index on task_history (at);

-- What somebody must still hear of a task: written with the change, gone when the inbox has it.
create table task_tellings (
  id text primary key,
  task text not null references tasks (id) on delete cascade,
  agent text,
  role text,
  message jsonb not null,
  tries int not null default 0,
  due_at timestamptz not null,
  check ((agent is null) <> (role is null))
);
create index on task_tellings (due_at);
