import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PulseError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { makeDirectories } from '../make-directories.ts';
import type { ConnectionParameters } from '../postgres/connection-parameters.ts';
import { programRunner, startProgram } from '../programs.ts';
import { syncDirectory } from '../sync-directory.ts';
import { type ClientTools, requireTools, toolsInPath } from './client-tools.ts';
import { clientEnvironment, withoutPasswords } from './libpq-environment.ts';
import { readBack } from './read-back.ts';

/** What a backup needs of the world. */
export interface BackupDependencies {
  readonly emit: Emit;
  readonly now: () => Date;
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly signal: AbortSignal;
  /** The operator's environment: PATH to find the tools, HOME for certificates and the password file. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly tools?: ClientTools;
}

export interface BackupRequest {
  readonly parameters: ConnectionParameters;
  /** Absolute path; made when it is not there. */
  readonly directory: string;
  /** `server_version_num`. */
  readonly serverVersion: number;
  /** From `estimateBytes`, for the progress bar. */
  readonly databaseBytes: number;
}

/** A dump that was written and read back in full. */
export interface Backup {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly durationMs: number;
  readonly pgDumpVersion: string;
}

const progressEveryMs = 500;
/** pg_dump reads every table, and would wait for ever behind a lock that somebody forgot. */
const lockWaitMs = 60_000;

/**
 * Dumps the database with `pg_dump -Fc` and reads the dump back in full through pg_restore. The file has its final
 * name only when all of that succeeded; otherwise nothing of it remains.
 * @throws {PulseError} `client-tool-missing`, `backup-failed`, `interrupted`.
 */
export async function takeBackup(dependencies: BackupDependencies, request: BackupRequest): Promise<Backup> {
  const { emit, now, signal } = dependencies;
  const { parameters, directory } = request;
  const tools = dependencies.tools ?? toolsInPath;
  const env = clientEnvironment(dependencies.environment, parameters);
  if (parameters.sslpassword !== null) {
    throw new PulseError(
      'backup-failed',
      'pg_dump cannot be given the passphrase of a client key without showing it to others',
      {
        hint: 'make the backup yourself and add --backup-done, or use a key without a passphrase',
      },
    );
  }
  const pgDump = await requireTools(programRunner(env), tools, request.serverVersion);
  const started = now();
  const path = join(directory, dumpName(parameters.database, started));
  const partial = `${path}.partial`;
  const file = await createPartial(directory, path, partial);
  try {
    emit({ type: 'backup-started', path, databaseBytes: request.databaseBytes });
    try {
      await dump(dependencies, { file, program: tools.pgDump, env, request });
      await file.sync();
    } finally {
      await file.close();
    }
    const { bytes, sha256 } = await readBack({ emit, signal }, { path: partial, program: tools.pgRestore, env });
    await rename(partial, path);
    await syncDirectory(directory);
    const durationMs = now().getTime() - started.getTime();
    emit({ type: 'backup-finished', path, bytes, sha256, durationMs });
    return { path, bytes, sha256, durationMs, pgDumpVersion: pgDump.text };
  } catch (error) {
    await rm(partial, { force: true });
    throw fileFailure(error, directory);
  }
}

/** `pulse-20260131T235959Z.dump`; characters of a database name that a file name may not hold become `_`. */
export function dumpName(database: string, at: Date): string {
  const stamp = at.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  return `${database.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 100)}-${stamp}.dump`;
}

/** For the operator's eyes only: a dump holds everything the database does. */
async function createPartial(directory: string, path: string, partial: string): Promise<FileHandle> {
  try {
    await makeDirectories(directory, 0o700);
  } catch (error) {
    throw fileFailure(error, directory);
  }
  const file = await open(partial, 'wx', 0o600).catch((error: unknown) => {
    throw codeOf(error) === 'EEXIST' ? alreadyThere(path) : fileFailure(error, directory);
  });
  if (!(await exists(path))) return file;
  await file.close();
  await rm(partial, { force: true });
  throw alreadyThere(path);
}

function alreadyThere(path: string): PulseError {
  return new PulseError('backup-failed', `a backup of the same second is there already: ${path}`, {
    hint: 'run the command again',
  });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

interface Dump {
  readonly file: FileHandle;
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  readonly request: BackupRequest;
}

/**
 * The file itself is pg_dump's standard output rather than a pipe: only into a file it can seek in does it write the
 * table of contents that a parallel restore needs.
 */
async function dump(dependencies: BackupDependencies, { file, program, env, request }: Dump): Promise<void> {
  const { signal, emit, sleep } = dependencies;
  const { ended } = startProgram(program, ['--format=custom', '--no-password', `--lock-wait-timeout=${lockWaitMs}`], {
    env,
    signal,
    stdio: ['ignore', file.fd, 'pipe'],
  });
  for (;;) {
    // A sleep that an abort cuts short rejects; pg_dump itself is then about to end.
    const end = await Promise.race([ended, sleep(progressEveryMs).catch(() => ended)]);
    const { size } = await file.stat();
    emit({ type: 'backup-progress', phase: 'write', bytes: size, totalBytes: request.databaseBytes });
    if (end === undefined) continue;
    refuseIfAborted(signal);
    if (end.exitCode === 0) return;
    const said = withoutPasswords(end.stderr.trim(), request.parameters);
    const how = end.signal === null ? `ended with exit code ${end.exitCode}` : `was killed by ${end.signal}`;
    throw new PulseError('backup-failed', `pg_dump ${how}${said === '' ? '' : `: ${said}`}`, {
      hint: hintFor(said, request.directory),
    });
  }
}

function hintFor(said: string, directory: string): string {
  if (/No space left on device|Disk quota exceeded/.test(said)) {
    return `free space in ${directory}, or name another directory with --backup DIR`;
  }
  if (/lock timeout/.test(said))
    return 'wait for the session that holds the lock (pg_stat_activity), then run the command again';
  if (/permission denied/i.test(said)) {
    return 'back up as a role that may read everything (GRANT pg_read_all_data TO it), or make the backup yourself and add --backup-done';
  }
  return 'correct the cause, or make the backup yourself and add --backup-done';
}

/** @throws the reason of the abort when it is one of ours, else {PulseError} `interrupted`. */
function refuseIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  if (signal.reason instanceof PulseError) throw signal.reason;
  throw new PulseError('interrupted', 'the backup was interrupted; its file was removed', {
    hint: 'run the command again',
  });
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}

const fileReasons: Readonly<Record<string, string>> = {
  EACCES: 'may not be written to',
  EPERM: 'may not be written to',
  EROFS: 'is on a read-only file system',
  ENOSPC: 'has no space left',
  EDQUOT: 'has no quota left',
  ENOTDIR: 'is not a directory',
  EEXIST: 'is not a directory',
};

/** What the file system refused, as a sentence about the directory; anything else is passed on. */
function fileFailure(error: unknown, directory: string): unknown {
  const reason = fileReasons[String(codeOf(error))];
  if (error instanceof PulseError || reason === undefined) return error;
  return new PulseError('backup-failed', `the backup directory ${directory} ${reason}`, {
    hint: 'name another directory: --backup DIR',
    cause: error,
  });
}
