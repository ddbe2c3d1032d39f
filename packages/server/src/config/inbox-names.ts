/** The names that an inbox has unless one was declared for its owner. */
export interface InboxNames {
  readonly stream: string;
  readonly consumer: string;
  readonly subject: string;
}

export function agentInbox(agent: string): InboxNames {
  const safe = plainName(agent);
  return {
    stream: `AGENT_INBOX_${safe.toUpperCase()}`,
    consumer: `${safe}-durable-v1`,
    subject: `agents.${agent}.inbox`,
  };
}

/** Ends in `-shared-v1`, so that a role and an agent of one name never meet. */
export function roleInbox(role: string): InboxNames {
  const safe = plainName(role);
  return {
    stream: `ROLE_INBOX_${safe.toUpperCase()}`,
    consumer: `${safe}-shared-v1`,
    subject: `roles.${role}.inbox`,
  };
}

/** NATS takes no dots in the names of streams and consumers. */
function plainName(name: string): string {
  return name.replaceAll(".", "_");
}
