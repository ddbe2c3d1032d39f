-- Streams as they are in force. The counters at the end belong to the embedded log: they change only
-- under the row's lock, so sequence numbers are given in commit order and readers never see a gap.
create table message_streams (
  name text primary key,
  subjects text[] not null,
  keep_ms bigint not null,
  max_bytes bigint not null,
  max_message_bytes bigint not null,
  duplicate_window_ms bigint not null,
  replicas int not null default 1,
  storage text not null default 'file',
  reviewer text,
  adopted boolean not null default false,
  last_seq bigint not null default 0,
  last_at timestamptz not null default '-infinity',
  messages bigint not null default 0,
  bytes bigint not null default 0
);

create table message_log (
  stream text not null references message_streams (name) on delete cascade,
  seq bigint not null,
  at timestamptz not null,
  subject text not null,
  message_id text not null,
  sender text,
  headers jsonb not null,
  payload bytea not null,
  size int not null,
  primary key (stream, seq)
);
create index on message_log (stream, message_id, seq desc);
create index on message_log (stream, at);

-- Durable consumers of an agent, of a role whose members share it, or of neither.
create table message_consumers (
  name text primary key,
  stream text not null references message_streams (name),
  agent text,
  role text,
  subjects text[] not null default '{}',
  -- The subjects as one regular expression; null takes every message of the stream.
  pattern text,
  ack_wait_ms bigint not null,
  max_deliver int not null,
  max_in_flight int not null,
  max_handle_ms bigint not null,
  adopted boolean not null default false,
  -- The embedded log up to here has been handed to message_pending.
  cursor_seq bigint not null default 0,
  -- Messages that the stream's limits removed before this consumer had settled them.
  missed bigint not null default 0,
  check (agent is null or role is null)
);
create index on message_consumers (stream);
create index on message_consumers (agent);

-- A consumer with any hold delivers nothing.
create table message_holds (
  consumer text not null references message_consumers (name) on delete cascade,
  hold text not null,
  held_by text not null,
  because text not null,
  at timestamptz not null,
  primary key (consumer, hold)
);

-- Messages that a consumer has not settled: due (may go out), out (with a handler, until the deadline)
-- or resting (failed; due again at due_at). `reference` names a delivery of an engine that redelivers
-- by itself; without one the redelivery is ours.
create table message_pending (
  consumer text not null references message_consumers (name) on delete cascade,
  stream text not null,
  seq bigint not null,
  message_id text not null,
  published_at timestamptz not null,
  -- How many times the message was put back after it had been settled.
  life int not null default 0,
  cause text not null default 'log' check (cause in ('log', 'requeue', 'reroute', 'replay')),
  returned_at timestamptz,
  -- The dead letter that holds the content.
  dead_letter text,
  reference text,
  state text not null default 'due' check (state in ('due', 'out', 'resting')),
  due_at timestamptz not null default now(),
  admitted_at timestamptz not null default now(),
  deliveries int not null default 0,
  epoch bigint not null default 0,
  nonce text,
  holder text,
  session text,
  out_since timestamptz,
  deadline timestamptz,
  last_error text,
  primary key (consumer, stream, seq)
);
create index on message_pending (due_at) where state <> 'out';
create index on message_pending (deadline) where state = 'out';
create index on message_pending (holder) where state = 'out';

-- What a handler acknowledged, by message id: a redelivery after a lost ack is recognised.
create table message_handled (
  consumer text not null,
  message_id text not null,
  stream text not null,
  seq bigint not null,
  epoch bigint not null,
  nonce text,
  reference text,
  holder text,
  at timestamptz not null,
  -- How often it came once more and was recognised.
  again int not null default 0,
  primary key (consumer, message_id)
);
create index on message_handled (consumer, stream, seq desc);
create index on message_handled (at);

-- One row per death; a message that is put back and dies again has a second row with the next life.
-- A refused publish has neither sequence nor consumer: the stream never held it.
create table dead_letters (
  id text primary key,
  died_at timestamptz not null,
  stream text,
  seq bigint,
  consumer text,
  life int not null default 0,
  message_id text not null,
  subject text not null,
  sender text,
  headers jsonb not null,
  payload bytea not null,
  -- False when only the first 4 kB were kept.
  complete boolean not null,
  size bigint not null,
  sha256 text not null,
  published_at timestamptz,
  reason text not null check (reason in
    ('max_deliver', 'oversized', 'malformed', 'handler_error', 'rejected', 'misrouted')),
  detail text not null,
  deliveries int not null,
  times int not null default 1,
  reviewer text,
  reviewed_at timestamptz,
  state text not null default 'dead' check (state in ('dead', 'requeued', 'rerouted', 'discarded')),
  settled_at timestamptz,
  settled_by text,
  settled_because text,
  destination text
);
-- The message id is part of it, because a stream that somebody makes anew counts from 1 again.
create unique index on dead_letters (consumer, stream, seq, life, message_id) where seq is not null;
create unique index on dead_letters (sender, reason, sha256) nulls not distinct where seq is null;
create index on dead_letters (died_at desc, id desc);
create index on dead_letters (consumer, died_at desc);
create index on dead_letters (died_at) where reviewer is not null and reviewed_at is null;

-- A step of a recovery puts each message back once, however often it is applied.
create table message_requeues (
  change_id uuid not null,
  consumer text not null,
  message_id text not null,
  dead_letter text not null,
  primary key (change_id, consumer, message_id)
);

-- What Lastgood told an agent, so that a repeated telling is not a second message.
create table message_told (
  agent text not null,
  id text not null,
  at timestamptz not null,
  primary key (agent, id)
);

-- How deliveries of the engine ended, where the engine did not confirm it: it is told again.
create table message_untold (
  reference text primary key,
  settlement text not null check (settlement in ('handled', 'dead')),
  tries int not null default 1,
  at timestamptz not null default now()
);

-- Appends to the embedded log in one round trip. An id seen within the stream's duplicate window keeps
-- its first sequence; what exceeds the stream's bytes is removed, oldest first.
create function publish_messages(
  into_stream text, published_at timestamptz, ids text[], subjects text[], senders text[],
  headers text[], payloads bytea[], sizes int[]
) returns table (given_seq bigint, is_duplicate boolean) language plpgsql as $$
declare
  s message_streams;
  each int;
  known bigint;
  freed bigint;
begin
  select * into s from message_streams where name = into_stream for update;
  if not found then
    raise exception 'no stream %', into_stream using errcode = 'no_data_found';
  end if;
  s.last_at := greatest(s.last_at, published_at);
  for each in 1 .. cardinality(ids) loop
    select l.seq into known from message_log l
    where l.stream = into_stream and l.message_id = ids[each]
      and l.at > s.last_at - s.duplicate_window_ms * interval '1 ms'
    order by l.seq desc limit 1;
    if found then
      given_seq := known;
      is_duplicate := true;
      return next;
      continue;
    end if;
    s.last_seq := s.last_seq + 1;
    insert into message_log
    values (into_stream, s.last_seq, s.last_at, subjects[each], ids[each], senders[each],
            headers[each]::jsonb, payloads[each], sizes[each]);
    s.messages := s.messages + 1;
    s.bytes := s.bytes + sizes[each];
    given_seq := s.last_seq;
    is_duplicate := false;
    return next;
  end loop;
  while s.bytes > s.max_bytes and s.messages > 1 loop
    delete from message_log where stream = into_stream and seq = (
      select min(seq) from message_log where stream = into_stream)
    returning size into freed;
    exit when freed is null;
    s.messages := s.messages - 1;
    s.bytes := s.bytes - freed;
  end loop;
  update message_streams m
  set last_seq = s.last_seq, last_at = s.last_at, messages = s.messages, bytes = s.bytes
  where m.name = into_stream;
end $$;
