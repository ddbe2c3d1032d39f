-- Named things that are released. What they are allowed to do is settings; what they were is in `releases`.
create table artifacts (
  name text primary key,
  kind text not null check (kind in ('spec', 'model', 'prompt', 'image', 'config')),
  -- Null: nothing of it can be deployed yet.
  in_flight text check (in_flight in ('finish-old', 'switch', 'cancel-retry')),
  review boolean not null default false,
  keep_last int check (keep_last >= 1),
  keep_days int check (keep_days >= 0),
  created_at timestamptz not null,
  created_by text not null,
  check ((keep_last is null) = (keep_days is null))
);

-- Immutable: the triggers below refuse every update and every delete, whoever asks.
create table releases (
  artifact text not null references artifacts (name),
  version text not null check (version <> '' and lower(version) not in ('latest', 'newest', 'current')),
  -- SHA-256 of the RFC 8785 text of {"content": ...} or {"reference": "..."}.
  digest text not null check (digest ~ '^[0-9a-f]{64}$'),
  reference text,
  bytes int not null,
  parent text,
  author text not null,
  notes text not null default '',
  published_at timestamptz not null,
  change_id uuid not null,
  primary key (artifact, version)
);
create index on releases (artifact, published_at desc, version);
create index on releases (digest);

-- Contents by digest, as RFC 8785 text: two releases with one content share it.
create table release_contents (
  digest text primary key,
  body text not null,
  stored_at timestamptz not null
);

-- Releases whose content was let go; publishing the same content again takes the row away.
create table retired_releases (
  artifact text not null,
  version text not null,
  at timestamptz not null,
  by text not null,
  because text not null,
  primary key (artifact, version),
  foreign key (artifact, version) references releases
);

create table release_scores (
  id bigint generated always as identity primary key,
  artifact text not null,
  version text not null,
  name text not null,
  value double precision not null check (value = value and abs(value) < 'infinity'),
  by text not null,
  at timestamptz not null,
  note text not null default '',
  foreign key (artifact, version) references releases
);
create index on release_scores (artifact, version, name, id desc);

create table release_approvals (
  artifact text not null,
  version text not null,
  by text not null,
  at timestamptz not null,
  note text not null default '',
  primary key (artifact, version, by),
  foreign key (artifact, version) references releases
);

-- What was rolled back is refused until the bar is lifted, or its incident is closed.
create table release_bars (
  id uuid primary key,
  artifact text not null,
  version text not null,
  incident text,
  because text not null,
  barred_by text not null,
  barred_at timestamptz not null,
  -- The change that rolled it back.
  change_id uuid not null,
  lifted_at timestamptz,
  lifted_by text,
  lifted_because text,
  foreign key (artifact, version) references releases,
  unique (change_id, artifact, version)
);
create index on release_bars (artifact, version) where lifted_at is null;
create index on release_bars (incident) where lifted_at is null;

-- Its row's lock is the lock of all its pins. The epoch grows with every change of any of them.
create table environments (
  name text primary key,
  epoch bigint not null default 0
);

-- Every change of a pin. The newest of an artifact in an environment is in force.
create table pins (
  environment text not null references environments (name),
  epoch bigint not null,
  artifact text not null references artifacts (name),
  did text not null check (did in ('deploy', 'rollback', 'recovery')),
  by text not null,
  because text not null default '',
  at timestamptz not null,
  change_id uuid not null unique,
  -- The versions that got more of the keys by it.
  gained text[] not null,
  primary key (environment, epoch)
);
create index on pins (environment, artifact, epoch desc);
create index on pins (artifact);

create table pin_shares (
  environment text not null,
  epoch bigint not null,
  place int not null,
  artifact text not null,
  version text not null,
  share int not null check (share > 0),
  primary key (environment, epoch, place),
  unique (environment, epoch, version),
  foreign key (environment, epoch) references pins,
  foreign key (artifact, version) references releases
);
create index on pin_shares (artifact, version);

-- Who resolves releases, and which epoch it said it follows. Forgotten an hour after it was heard of last.
create table pin_consumers (
  environment text not null,
  who text not null,
  id text not null,
  -- The agent behind it; null for a person.
  agent text,
  artifacts text[],
  epoch bigint not null,
  registered_at timestamptz not null,
  seen_at timestamptz not null,
  primary key (environment, who, id)
);
create index on pin_consumers (seen_at);

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is never changed: publish another version, or deploy another one', tg_table_name
    using errcode = 'restrict_violation';
end
$$;
create trigger immutable before update or delete on releases
  for each row execute function refuse_change();
create trigger never_emptied before truncate on releases
  for each statement execute function refuse_change();
create trigger immutable before update or delete on pin_shares
  for each row execute function refuse_change();
create trigger never_emptied before truncate on pin_shares
  for each statement execute function refuse_change();
create trigger immutable before update or delete on pins
  for each row execute function refuse_change();
create trigger never_emptied before truncate on pins
  for each statement execute function refuse_change();
create trigger immutable before update on release_contents
  for each row execute function refuse_change();
create trigger never_emptied before truncate on release_contents
  for each statement execute function refuse_change();

-- A content goes only when every release that has it is retired.
create function refuse_needed_content() returns trigger language plpgsql as $$
begin
  if exists (select from releases r where r.digest = old.digest and not exists (
      select from retired_releases t where t.artifact = r.artifact and t.version = r.version)) then
    raise exception 'the content % is that of a release which is not retired', old.digest
      using errcode = 'restrict_violation';
  end if;
  return old;
end
$$;
create trigger needed before delete on release_contents
  for each row execute function refuse_needed_content();

-- What was ever pinned is pinned, was live, or is where a rollback goes: it is never retired, and what is
-- retired is never pinned.
create function refuse_retiring_pinned() returns trigger language plpgsql as $$
begin
  if exists (select from pin_shares s where s.artifact = new.artifact and s.version = new.version) then
    raise exception '%:% is pinned or was live, and is never retired', new.artifact, new.version
      using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;
create trigger pinned before insert or update on retired_releases
  for each row execute function refuse_retiring_pinned();
create function refuse_pinning_retired() returns trigger language plpgsql as $$
begin
  if exists (select from retired_releases t where t.artifact = new.artifact and t.version = new.version) then
    raise exception '%:% is retired: publish its content again before it is pinned', new.artifact, new.version
      using errcode = 'restrict_violation';
  end if;
  return new;
end
$$;
create trigger retired before insert on pin_shares
  for each row execute function refuse_pinning_retired();
