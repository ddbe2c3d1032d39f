import { join } from "node:path";

/** The file that a server writes its first token to, 0600; the command line on the same machine reads it. */
export function tokenFileOf(home: string): string {
  return join(home, "admin.token");
}
