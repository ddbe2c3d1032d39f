-- One call to a person per incident, however often it is asked for.
create table pages (
  incident text primary key,
  severity text not null check (severity in ('critical', 'high', 'low')),
  summary text not null,
  details jsonb not null default '{}',
  -- Who is responsible, as it was asked for; null: nobody was named.
  owner text,
  -- Who is being called; null while there is nobody to call.
  person text,
  state text not null check (state in ('nobody-to-call', 'called', 'acknowledged', 'resolved')),
  opened_at timestamptz not null,
  acknowledged_at timestamptz,
  acknowledged_by text,
  resolved_at timestamptz
);
create index on pages (opened_at desc);
create index on pages (state) where state <> 'resolved';

-- The outbox: what is to be sent, written in the transaction of whoever wants it sent.
create table deliveries (
  -- Also what the receiver knows it by, so that a second arrival is recognised as the first.
  id text primary key,
  position bigint generated always as identity,
  -- The same thing asked for twice has the same key, and is sent once.
  key text not null unique,
  -- Within a lane one follows the other: a call is never resolved before it was made.
  lane text not null,
  incident text not null,
  kind text not null check (kind in ('trigger', 'acknowledge', 'resolve', 'announce')),
  person text not null,
  channel text not null check (channel in ('pagerduty', 'webhook')),
  -- The very bytes, without the receiver's key: every attempt sends the same.
  body text not null,
  state text not null default 'waiting' check (state in ('waiting', 'delivered', 'undeliverable')),
  attempts int not null default 0,
  due_at timestamptz not null default now(),
  -- A claim that was not settled by then (its server died) is anybody's again; `claim` fences the former.
  claimed_until timestamptz,
  claim int not null default 0,
  because text not null default '',
  created_at timestamptz not null default now(),
  settled_at timestamptz
);
create index on deliveries (due_at) where state = 'waiting';
create index on deliveries (lane, position) where state = 'waiting';
create index on deliveries (incident, position);
create index on deliveries (settled_at) where state <> 'waiting';
