-- Whether the recovery ended without its last steps, and still has to free whom and what it holds.
alter table recoveries add column letting_go boolean not null default false;
create index on recoveries (started_at) where letting_go;
