/** Under whom PostgreSQL runs: ourselves, or an unprivileged account where we are root. */
import { chmod, chown, mkdir, readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Fault } from "../fault.ts";

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Null when we are not root: then it runs as ourselves. initdb refuses root, and any uid without an
 * entry in /etc/passwd.
 */
export async function unprivilegedAccount(passwd = "/etc/passwd"): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null;
  const entries = (await readFile(passwd, "utf8")).split("\n").map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const entry = entries.find((fields) => fields[0] === name);
    const uid = Number(entry?.[2]);
    const gid = Number(entry?.[3]);
    if (entry !== undefined && uid > 0 && gid > 0) return { name, uid, gid };
  }
  throw new Fault(
    "missing_program",
    "PostgreSQL refuses to run as root, and /etc/passwd has neither `postgres` nor `nobody`: add one, run as another user, or set DATABASE_URL.",
  );
}

/**
 * Makes `folder` if need be. What is in it stays closed to others; where PostgreSQL runs under an account
 * of its own, that account's group may pass through.
 */
export async function openHome(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const account = await unprivilegedAccount();
  if (account === null) return;
  const found = await stat(folder);
  if (found.uid !== 0 || mayEnter(found, account)) return;
  await chown(folder, 0, account.gid);
  await chmod(folder, (found.mode & 0o777) | 0o010);
}

/** Refuses (`bad_configuration`) a folder that the account cannot reach, and names what closes the way. */
export async function requireReachable(folder: string, account: Account): Promise<void> {
  let at = resolve(folder);
  for (;;) {
    const found = await stat(at).catch(() => null);
    if (found !== null && !mayEnter(found, account)) {
      throw new Fault(
        "bad_configuration",
        `${at} is closed to the account ${account.name}, under which PostgreSQL runs because Lastgood is root: choose another home (--home /var/lib/lastgood), open the way (chmod o+x ${at}), or set DATABASE_URL.`,
        { context: { path: at } },
      );
    }
    if (at === dirname(at)) return;
    at = dirname(at);
  }
}

function mayEnter(
  folder: { readonly mode: number; readonly uid: number; readonly gid: number },
  { uid, gid }: Account,
): boolean {
  if (folder.uid === uid) return (folder.mode & 0o100) !== 0;
  if (folder.gid === gid) return (folder.mode & 0o010) !== 0;
  return (folder.mode & 0o001) !== 0;
}
