import { type FileHandle, open, readFile, stat, statfs } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Session } from '../../postgres/session.ts';
import { sql } from '../../postgres/sql.ts';

/** What the server says about itself, to be compared with what lies on this host's disk. */
interface ServerFacts {
  readonly data_directory: string | null;
  readonly address: string | null;
  readonly port: number;
  readonly system_identifier: string;
  /** Seconds since 1970, with a fraction. */
  readonly started: number;
  readonly backend_pid: number;
}

/** The data directory when it is proven to lie on this host, else why that is not known. */
export type DataDirectory = { readonly path: string } | { readonly reason: string; readonly hint: string | null };

/** pg_control begins with the system identifier, eight bytes in the byte order of the machine. */
const identifierBytes = 8;
/** Between the time the postmaster writes into its pid file and the one it tells lies its own start-up. */
const startSlackSeconds = 120;

/**
 * Finds the server's data directory on this host. An address proves nothing, since a forwarded port looks like a local
 * server: the files must be those of the running server, by system identifier, port, start time and parent of our
 * own backend.
 */
export async function findDataDirectory(session: Session): Promise<DataDirectory> {
  const facts = await askServer(session);
  if (facts.data_directory === null) {
    return {
      reason: 'this role may not ask the server for its data directory',
      hint: 'GRANT pg_read_all_settings to the role',
    };
  }
  const path = facts.data_directory;
  if (!isOwnAddress(facts.address)) return { reason: 'the server is on another host', hint: null };
  let lines: string[];
  let identifier: string;
  try {
    lines = (await readFile(join(path, 'postmaster.pid'), 'utf8')).split('\n');
    identifier = await systemIdentifier(join(path, 'global', 'pg_control'));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      return { reason: `${path} of the server is not on this host`, hint: null };
    if (code === 'EACCES' || code === 'EPERM') {
      return {
        reason: `${path} may not be read by this user`,
        hint: "run the command as the server's operating-system user",
      };
    }
    throw error;
  }
  const [postmaster, , begun, port] = lines.map(Number);
  const waited = facts.started - (begun ?? Number.NaN);
  const same =
    identifier === facts.system_identifier &&
    port === facts.port &&
    waited >= -1 &&
    waited <= startSlackSeconds &&
    (await isParent(postmaster ?? Number.NaN, facts.backend_pid));
  return same ? { path } : { reason: `${path} on this host belongs to another server`, hint: null };
}

async function askServer(session: Session): Promise<ServerFacts> {
  const [facts] = await session.rows<ServerFacts>(
    sql`SELECT (SELECT s.setting FROM pg_catalog.pg_settings AS s WHERE s.name = 'data_directory') AS data_directory,
               pg_catalog.host(pg_catalog.inet_server_addr()) AS address,
               pg_catalog.current_setting('port')::pg_catalog.int4 AS port,
               (SELECT c.system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system() AS c) AS system_identifier,
               pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()) AS started,
               pg_catalog.pg_backend_pid() AS backend_pid`,
  );
  if (facts === undefined) throw new TypeError('a query without FROM gave no row');
  return facts;
}

/** Null is a Unix socket. */
function isOwnAddress(address: string | null): boolean {
  if (address === null || address.startsWith('127.') || address === '::1') return true;
  return Object.values(networkInterfaces()).some((list) => list?.some((own) => own.address === address));
}

async function systemIdentifier(path: string): Promise<string> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const bytes = new Uint8Array(identifierBytes);
    await file.read(bytes, 0, identifierBytes, 0);
    return String(new BigUint64Array(bytes.buffer)[0]);
  } finally {
    await file?.close();
  }
}

/** True where the system cannot tell (no /proc): then identifier, port and start time must do. */
async function isParent(parent: number, child: number): Promise<boolean> {
  if (!(await exists('/proc/self/stat'))) return true;
  try {
    const line = await readFile(`/proc/${child}/stat`, 'utf8');
    // The name in parentheses may hold spaces and parentheses itself.
    const [, ppid] = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return Number(ppid) === parent;
  } catch {
    return false;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Free bytes for ordinary users, and the number of the file system, so that needs on one disk are added up. */
export async function freeSpace(path: string): Promise<{ readonly disk: number; readonly freeBytes: number }> {
  const [disk, space] = await Promise.all([stat(path), statfs(path, { bigint: true })]);
  return { disk: disk.dev, freeBytes: Number(space.bavail * space.bsize) };
}
