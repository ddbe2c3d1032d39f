-- A hand is held for each incident by itself, and is free when the last of them lets go.
drop index containments_agent_idx;
create unique index on containments (agent, coalesce(incident, '')) where reinstated_at is null;
