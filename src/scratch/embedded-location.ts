import { createHash } from 'node:crypto';
import { chmod, lstat, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { PulseError } from '../errors.ts';
import { makeDirectories } from '../make-directories.ts';
import type { ServerAccount } from './embedded-account.ts';

/** Who runs the command and on what, handed in because nothing below the edge reads it for itself. */
export interface HostIdentity {
  readonly uid: number;
  readonly pid: number;
  /** `process.platform` and `process.arch` in Node's spelling. */
  readonly platform: string;
  readonly architecture: string;
  readonly homeDirectory: string | null;
  /** XDG_DATA_HOME; ignored unless absolute, as the XDG base directory specification says. */
  readonly dataHome: string | null;
  /** Where root keeps state of programs: `/var/lib`. */
  readonly systemStateDirectory: string;
  readonly temporaryDirectory: string;
}

/** Where one project's server keeps everything; `base` is shared by all projects of one user. */
export interface EmbeddedLocation {
  readonly base: string;
  readonly directory: string;
  readonly dataDirectory: string;
  readonly logFile: string;
  readonly versionFile: string;
  readonly lockFile: string;
  /** Absolute path of the project, as the key was made from. */
  readonly project: string;
}

interface Candidate {
  readonly path: string;
  /** Others can write near it, so its whole way down from the root is checked. */
  readonly shared: boolean;
}

/** The socket's file name adds 14 bytes; sun_path holds 108 bytes on Linux and 104 on macOS, one of them the final NUL. */
function socketFits(directory: string, platform: string): boolean {
  return Buffer.byteLength(join(directory, '.s.PGSQL.5432')) <= (platform === 'darwin' ? 103 : 107);
}

function temporaryCandidates(identity: HostIdentity): Candidate[] {
  const name = `pulse-migrate-${identity.uid}`;
  return [...new Set([identity.temporaryDirectory, '/tmp'])].map((parent) => ({
    path: join(parent, name),
    shared: true,
  }));
}

/** The places that may hold data and binaries, best first. */
export function baseCandidates(identity: HostIdentity): readonly Candidate[] {
  const temporary = temporaryCandidates(identity);
  if (identity.uid === 0)
    return [{ path: join(identity.systemStateDirectory, 'pulse-migrate'), shared: true }, ...temporary];
  if (identity.dataHome !== null && isAbsolute(identity.dataHome)) {
    return [{ path: join(identity.dataHome, 'pulse-migrate'), shared: false }, ...temporary];
  }
  if (identity.homeDirectory === null) return temporary;
  return [{ path: join(identity.homeDirectory, '.local/share/pulse-migrate'), shared: false }, ...temporary];
}

/** Why `path` cannot be trusted with a superuser's server, or null when it can. */
async function objection(candidate: Candidate, uid: number, foreignAccount: boolean): Promise<string | null> {
  // lstat: a link planted under a predictable name in a shared directory must not be followed.
  const own = await lstat(candidate.path);
  if (!own.isDirectory()) return 'is not a directory';
  if (own.uid !== uid) return `belongs to uid ${own.uid}`;
  if ((own.mode & 0o022) !== 0) return 'can be written by others';
  if (!candidate.shared) return null;
  for (let path = dirname(await realpath(candidate.path)); ; path = dirname(path)) {
    const parent = await stat(path);
    if (parent.uid !== 0 && parent.uid !== uid) return `${path} belongs to uid ${parent.uid}`;
    // In a sticky directory others can add names, yet not rename or remove ours.
    if ((parent.mode & 0o022) !== 0 && (parent.mode & 0o1000) === 0) return `${path} can be written by others`;
    if (foreignAccount && (parent.mode & 0o001) === 0) return `${path} cannot be entered by the server's account`;
    if (path === dirname(path)) return null;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The first candidate that is safe, made if need be. @throws {PulseError} `embedded-unavailable` with what was wrong with each. */
async function safeDirectory(
  candidates: readonly Candidate[],
  identity: HostIdentity,
  account: ServerAccount | null,
): Promise<string> {
  const refused: string[] = [];
  for (const candidate of candidates) {
    try {
      await makeDirectories(candidate.path, account ? 0o755 : 0o700);
      const reason = await objection(candidate, identity.uid, account !== null);
      if (reason === null) {
        // A umask of 077 would shut the server's own account out.
        if (account) await chmod(candidate.path, 0o755);
        return await realpath(candidate.path);
      }
      refused.push(`${candidate.path}: ${reason}`);
    } catch (error) {
      refused.push(`${candidate.path}: ${reasonOf(error)}`);
    }
  }
  throw new PulseError(
    'embedded-unavailable',
    `no safe place for the embedded server's files:\n${refused.join('\n')}`,
    {
      hint: 'set XDG_DATA_HOME to a directory of your own, or name a server with --database-url',
    },
  );
}

/**
 * Where the server of `projectDirectory` lives: the same answer for every command run by the same user in that project.
 * @throws {PulseError} `embedded-unavailable` when no directory is safe.
 */
export async function embeddedLocation(
  projectDirectory: string,
  identity: HostIdentity,
  account: ServerAccount | null,
): Promise<EmbeddedLocation> {
  const base = await safeDirectory(baseCandidates(identity), identity, account);
  const project = await realpath(projectDirectory);
  // Short, because the socket's path has a limit; the project's own name stands in a file beside the data.
  const directory = join(base, createHash('sha256').update(project).digest('hex').slice(0, 12));
  return {
    base,
    directory,
    dataDirectory: join(directory, 'data'),
    logFile: join(directory, 'server.log'),
    versionFile: join(directory, 'server-version'),
    lockFile: `${directory}.lock`,
    project,
  };
}

/**
 * The directory for the socket, made for `account` alone. Beside the data, since temporary directories are cleaned and
 * differ between shells; in the temporary one only where the path would exceed the system's limit.
 * @throws {PulseError} `embedded-unavailable` when no directory is safe.
 */
export async function openSocketDirectory(
  location: EmbeddedLocation,
  identity: HostIdentity,
  account: ServerAccount | null,
): Promise<string> {
  const beside = join(location.directory, 'socket');
  if (socketFits(beside, identity.platform)) return beside;
  const short = temporaryCandidates(identity).filter(({ path }) =>
    socketFits(join(path, basename(location.directory)), identity.platform),
  );
  return join(await safeDirectory(short, identity, account), basename(location.directory));
}
