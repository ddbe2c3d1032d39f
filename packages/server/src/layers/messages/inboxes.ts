/** Lastgood's own word to an agent, through the agent's inbox, or to whoever of a role takes it. */
export interface Inboxes {
  /** Published once per `id`, whatever is retried. */
  tell(to: Recipient, message: InboxMessage): Promise<void>;
}

/** An agent by its name, or a role. */
export type Recipient = string | { readonly role: string };

export interface InboxMessage {
  readonly id: string;
  /** Such as `incident.opened`, `commit.reverted`. */
  readonly type: string;
  readonly text: string;
  readonly details: Readonly<Record<string, unknown>>;
}
