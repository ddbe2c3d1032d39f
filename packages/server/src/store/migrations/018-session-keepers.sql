-- The agent beats by itself in a session that was opened for it: from then on its wrapper's word keeps
-- nothing alive.
alter table sessions add column beats_itself boolean not null default false;
