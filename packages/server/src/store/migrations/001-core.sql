create table leases (
  name text primary key,
  holder text not null,
  epoch bigint not null,
  expires_at timestamptz not null
);

-- What the installation was told once and must remember: settings, keys, switches.
create table settings (
  name text primary key,
  value jsonb not null,
  updated_at timestamptz not null default now()
);

-- Only the SHA-256 of a token is kept.
create table tokens (
  id text primary key,
  role text not null check (role in ('viewer', 'agent', 'operator', 'admin')),
  name text not null,
  agent text,
  secret_sha256 bytea not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  suspended_because text,
  revoked_at timestamptz,
  check ((role = 'agent') = (agent is not null))
);

-- Every denial, and every act of a person or token that changes what Lastgood may do.
create table audits (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  actor text not null,
  action text not null,
  target text not null,
  outcome text not null check (outcome in ('done', 'denied')),
  because text not null default ''
);
create index on audits (at desc);
