-- One head per document: the only authority for its version and its chain. Its row lock is the chain's lock.
create table documents (
  -- SHA-256 of utf8(collection) || 0 || utf8(id)
  doc bytea primary key,
  collection text not null,
  id text not null,
  ver bigint not null,
  hash bytea not null,
  -- The first version that is still kept, and the hash of the one before it (null: there was none).
  floor_ver bigint not null default 1,
  floor_prev bytea,
  -- Microseconds since 1970, so that a document's times never step back.
  at_us bigint not null,
  removed boolean not null
) with (fillfactor = 80);
create index on documents (collection, id);

-- Every version, full body. Task, session and reason are the ledger's.
create table document_versions (
  doc bytea not null,
  ver bigint not null,
  -- Over the hash of the version before, which therefore is not stored again.
  hash bytea not null,
  at_us bigint not null,
  change_id uuid not null,
  -- What was written together in one act; null for a write of its own.
  act_id uuid,
  agent text not null,
  op smallint not null,
  -- RFC 8785 text; null: this version removes the document, or (salt null) its body was erased.
  body text,
  salt bytea,
  -- SHA-256(0x02 || salt || body): kept where it cannot be made again, because body and salt are erased.
  body_hash bytea,
  primary key (doc, ver)
);

-- Which documents `collection/id` a version was made from.
create table document_sources (
  source text not null,
  doc bytea not null,
  ver bigint not null,
  primary key (source, doc, ver)
);
create index on document_sources (doc, ver);

-- 0x10 || doc || prev or zeros || int8 ver || int8 at_us || change || actor || op || body_hash
create function document_version_hash(
  doc bytea, prev bytea, ver bigint, at_us bigint, change_id uuid, actor bytea, op smallint, body_hash bytea
) returns bytea language sql immutable parallel safe as $$
  select sha256(
    '\x10'::bytea || doc
    || coalesce(prev, '\x0000000000000000000000000000000000000000000000000000000000000000'::bytea)
    || int8send(ver) || int8send(at_us) || uuid_send(change_id) || actor
    || substring(int2send(op) from 2) || body_hash)
$$;

-- Writes one document: its head, its version, its change in the ledger and the change's exposures, in one round
-- trip. `expect`: n > 0 only on top of version n; 0 only if there was never one; null on top of whatever is
-- there. `clock` was read before any lock: the version's time is the clock, or the version before plus 1 us.
-- Not as expected: `written` is false and `ver` is the version that is there (0: none; -1: the session is
-- over).
--
--     an expected or present head:  update ─┬─> version ─> change ─> exposures
--     none, and none expected:      insert ─┘
create function write_document(
  collection text, id text, expect bigint, clock bigint, change_id uuid, agent text, actor bytea,
  task text, session text, reason text, kind text, op smallint, body text,
  act_id uuid default null, sources text[] default null,
  reverts uuid[] default '{}', details jsonb default '{}', readers text[] default null,
  out written boolean, out ver bigint, out at_us bigint, out hash bytea
) language plpgsql as $$
#variable_conflict use_variable
declare
  key bytea := sha256(convert_to(collection, 'UTF8') || '\x00'::bytea || convert_to(id, 'UTF8'));
  salt bytea := uuid_send(gen_random_uuid());
  body_hash bytea := sha256('\x02'::bytea || salt || convert_to(coalesce(body, ''), 'UTF8'));
begin
  written := false;
  if session is not null then
    -- The lock keeps the session from ending before this is committed; one that is over writes nothing.
    perform from sessions s where s.id = session and s.ended_at is null for key share;
    if not found and exists (select from sessions s where s.id = session) then
      ver := -1;
      return;
    end if;
  end if;
  if expect is distinct from 0 then
    update documents d set
      ver = d.ver + 1, at_us = greatest(clock, d.at_us + 1), removed = body is null,
      hash = document_version_hash(
        key, d.hash, d.ver + 1, greatest(clock, d.at_us + 1), change_id, actor, op, body_hash)
    where d.doc = key and (expect is null or d.ver = expect)
    returning d.ver, d.at_us, d.hash into ver, at_us, hash;
    written := found;
  end if;
  if not written and coalesce(expect, 0) = 0 then
    insert into documents as d (doc, collection, id, ver, hash, at_us, removed)
    values (key, collection, id, 1,
            document_version_hash(key, null, 1, clock, change_id, actor, op, body_hash), clock, body is null)
    -- Created by another since the update looked.
    on conflict (doc) do update set
      ver = d.ver + 1, at_us = greatest(clock, d.at_us + 1), removed = body is null,
      hash = document_version_hash(
        key, d.hash, d.ver + 1, greatest(clock, d.at_us + 1), change_id, actor, op, body_hash)
      where expect is null
    returning d.ver, d.at_us, d.hash into ver, at_us, hash;
    written := found;
  end if;
  if not written then
    ver := coalesce((select d.ver from documents d where d.doc = key), 0);
    return;
  end if;
  -- One statement for both: the second would cost as much again to begin and to end.
  with version as (
    insert into document_versions (doc, ver, hash, at_us, change_id, act_id, agent, op, body, salt)
    values (key, ver, hash, at_us, change_id, act_id, agent, op, body, salt)
  )
  insert into changes (
    id, at, layer, kind, target, agent, task, session, from_ref, to_ref, reason, reverts, details)
  values (
    change_id, timestamptz 'epoch' + at_us * interval '1 us', 'state', kind, collection || '/' || id,
    agent, task, session, nullif(ver - 1, 0)::text, ver::text, reason, reverts, details);
  if sources is not null then
    insert into document_sources (source, doc, ver)
    select distinct source, key, ver from unnest(sources) as source;
  end if;
  if readers is not null then
    insert into exposures (change_id, service, exposed_at)
    select change_id, service, timestamptz 'epoch' + at_us * interval '1 us'
    from unnest(readers) as service;
  end if;
end
$$;
