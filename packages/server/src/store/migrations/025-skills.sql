-- What a verified recovery taught: SKILL.md for agents and people, playbook.json for triage.
create table skills (
  id text primary key,
  name text not null,
  state text not null check (state in ('active', 'failed', 'retired')),
  because text not null default '',
  service text not null,
  signatures text[] not null,
  playbook jsonb not null,
  markdown text not null,
  written_at timestamptz not null,
  updated_at timestamptz not null
);
create unique index skills_one_active on skills (name) where state = 'active';
create index on skills using gin (signatures) where state = 'active';
create index on skills (name, updated_at desc);
create index on skills (updated_at desc);
create index on skills using gin ((playbook->'cases') jsonb_path_ops);

-- An incident in which a playbook was consulted, and what came of it.
create table skill_uses (
  incident text primary key,
  skill text not null references skills (id),
  at timestamptz not null,
  -- What it led to, the likeliest first; `stands` where it was sure enough to be held to it.
  leads uuid[] not null,
  stands boolean not null,
  outcome text not null check (outcome in
    ('proposed', 'confirmed', 'put-right', 'mistaken', 'failed', 'not-applied')),
  says text not null
);
create index on skill_uses (skill, at desc);
