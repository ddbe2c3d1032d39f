/** Lastgood's own word to an agent, through the agent's inbox. */
export interface Inboxes {
  /** Published once per `id`, whatever is retried. */
  tell(agent: string, message: InboxMessage): Promise<void>;
}

export interface InboxMessage {
  readonly id: string;
  /** Such as `incident.opened`, `commit.reverted`. */
  readonly type: string;
  readonly text: string;
  readonly details: Readonly<Record<string, unknown>>;
}
