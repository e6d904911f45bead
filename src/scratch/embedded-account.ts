import { chown, readFile } from 'node:fs/promises';
import { PulseError } from '../errors.ts';

/** The account a server runs under when the command itself runs as root, which PostgreSQL refuses for itself. */
export interface ServerAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The account `nobody` in the text of a password file, or null. */
export function unprivilegedAccount(passwordFile: string): ServerAccount | null {
  for (const line of passwordFile.split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name === 'nobody' && Number(uid) !== 0 && Number.isInteger(Number(uid)) && Number.isInteger(Number(gid))) {
      return { name, uid: Number(uid), gid: Number(gid) };
    }
  }
  return null;
}

/**
 * The account to run servers under: null for an ordinary user, who runs them himself. Not `postgres`, even where it
 * exists: that account may own a real cluster. It must stand in the password file, because initdb looks itself up there.
 * @throws {PulseError} `embedded-unavailable` when root finds no such account.
 */
export async function serverAccount(uid: number): Promise<ServerAccount | null> {
  if (uid !== 0) return null;
  const account = unprivilegedAccount(await readFile('/etc/passwd', 'utf8').catch(() => ''));
  if (account) return account;
  throw new PulseError(
    'embedded-unavailable',
    'PostgreSQL does not run as root, and /etc/passwd has no account "nobody" to run it under',
    {
      hint: 'add one: useradd --system nobody, or run the command as an ordinary user, or name a server with --database-url',
    },
  );
}

/** Gives a file or directory to the server's account; nothing to do for an ordinary user. */
export async function giveTo(account: ServerAccount | null, path: string): Promise<void> {
  // macOS writes uid -2 for nobody, chown wants it unsigned.
  if (account) await chown(path, account.uid >>> 0, account.gid >>> 0);
}
