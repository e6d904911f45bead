import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { PulseError } from '../errors.ts';
import type { ServerAccount } from './embedded-account.ts';

/** How a server program is run. */
export interface ProgramSurroundings {
  readonly account: ServerAccount | null;
  /** A directory the account can enter; the caller's own may be closed to it. */
  readonly workingDirectory: string;
}

/** A server program that ended. */
export interface ProgramOutcome {
  readonly exitCode: number | null;
  /** Both output streams in the order they came. */
  readonly output: string;
}

/** A started server, as seen by the one that started it. */
export interface LaunchedServer {
  readonly pid: number;
  /** True once it has ended, whether it was ever ready or not. */
  hasEnded(): boolean;
}

/** No server program takes longer; one that hangs is killed. */
const programLimitMs = 60_000;

/**
 * Nothing of the user's environment: PGDATA, PGOPTIONS, LC_* or TZ would change what is built. TZ decides the time
 * zone initdb writes, so that a migration gives the same result on every machine.
 */
const environment = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

function spawnOptions(surroundings: ProgramSurroundings) {
  const { account, workingDirectory } = surroundings;
  return { cwd: workingDirectory, env: environment, ...(account && { uid: account.uid, gid: account.gid }) };
}

function cannotRun(file: string, error: NodeJS.ErrnoException, account: ServerAccount | null): PulseError {
  const reasons: Record<string, string> = {
    ENOENT: 'the system finds no loader for it (the binaries are built for glibc, not for musl as on Alpine Linux)',
    EACCES: `it may not be executed${account ? ` by the account ${account.name}` : ''} (a file system mounted noexec?)`,
    EPERM: `this root may not change to the account ${account?.name ?? ''} (a container without the capability SETUID?)`,
    ENOEXEC: 'it is built for another kind of machine',
  };
  return new PulseError(
    'embedded-unavailable',
    `${file} cannot be run: ${reasons[error.code ?? ''] ?? error.message}`,
    {
      hint: 'name a server with --database-url, or the directory of installed server programs with PULSE_EMBEDDED_POSTGRES',
      cause: error,
    },
  );
}

/** Runs a server program to its end. @throws {PulseError} `embedded-unavailable` when it cannot be run at all. */
export function runProgram(
  file: string,
  args: readonly string[],
  surroundings: ProgramSurroundings,
): Promise<ProgramOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      ...spawnOptions(surroundings),
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: programLimitMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', (error) => reject(cannotRun(file, error, surroundings.account)));
    child.once('close', (exitCode) => resolve({ exitCode, output }));
  });
}

/**
 * Starts a program that outlives this one: a session of its own, so that Ctrl-C does not reach it, and no pipe that
 * would keep this one alive. Its output goes to `logFile`, opened here because the account may not write there.
 * @throws {PulseError} `embedded-unavailable` when it cannot be run at all.
 */
export async function launchProgram(
  file: string,
  args: readonly string[],
  surroundings: ProgramSurroundings,
  logFile: string,
): Promise<LaunchedServer> {
  const log = await open(logFile, 'w', 0o600);
  try {
    return await new Promise((resolve, reject) => {
      const child = spawn(file, args, {
        ...spawnOptions(surroundings),
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      });
      let ended = false;
      child.once('exit', () => {
        ended = true;
      });
      child.once('error', (error) => reject(cannotRun(file, error, surroundings.account)));
      child.once('spawn', () => {
        child.unref();
        resolve({ pid: child.pid ?? 0, hasEnded: () => ended });
      });
    });
  } finally {
    await log.close();
  }
}
