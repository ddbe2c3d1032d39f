declare const kind: unique symbol;

/** A string that says what it names, so that an agent's id cannot stand where a change's should. */
export type Id<Kind extends string> = string & { readonly [kind]: Kind };

/** A UUID (version 7): time-ordered, and 16 bytes where it is hashed. */
export type ChangeId = Id<"change">;
export type IncidentId = Id<"incident">;
export type RecoveryId = Id<"recovery">;
/** An agent's name as in lastgood.yaml: `backend`. */
export type AgentName = Id<"agent">;
export type ServiceName = Id<"service">;
export type RepositoryName = Id<"repository">;

const crockford = "0123456789abcdefghjkmnpqrstvwxyz";

/** UUID version 7 (RFC 9562) from a time and 10 random bytes. */
export function uuidV7(at: Date, random: Uint8Array): string {
  const bytes = new Uint8Array(16);
  let milliseconds = at.getTime();
  for (let index = 5; index >= 0; index--) {
    bytes[index] = milliseconds % 256;
    milliseconds = Math.floor(milliseconds / 256);
  }
  bytes.set(random.subarray(0, 10), 6);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** `inc_1mf3k9q7x2ap`: a prefix, seven characters of time in seconds, five of chance. Sorts by time. */
export function shortId(prefix: string, at: Date, random: Uint8Array): string {
  let seconds = Math.floor(at.getTime() / 1000);
  let time = "";
  for (let index = 0; index < 7; index++) {
    time = crockford.charAt(seconds % 32) + time;
    seconds = Math.floor(seconds / 32);
  }
  const chance = Array.from(random.subarray(0, 5), (byte) => crockford.charAt(byte % 32)).join("");
  return `${prefix}_${time}${chance}`;
}
