-- What is new in incidents is looked for twice a second, whatever lies behind it.
create index on incident_events (at);
