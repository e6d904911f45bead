import { mkdir, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { kill } from 'node:process';
import { PulseError } from '../errors.ts';
import { giveTo, type ServerAccount } from './embedded-account.ts';
import type { ServerPrograms } from './embedded-binaries.ts';
import type { Clock } from './embedded-lock.ts';
import { type LaunchedServer, launchProgram, runProgram } from './embedded-programs.ts';
import { isServerOf } from './embedded-running.ts';

/** What a running server says of itself in its pid file. */
export interface RunningServer {
  readonly pid: number;
  readonly port: number;
  readonly socketDirectory: string;
  /** True once it takes connections. */
  readonly ready: boolean;
}

/** A server to be started on existing data. */
export interface ServerPlan {
  readonly programs: ServerPrograms;
  readonly account: ServerAccount | null;
  readonly dataDirectory: string;
  /** Made, for the account alone, if it is missing. */
  readonly socketDirectory: string;
  readonly logFile: string;
  /** Settings for the command line, which no ALTER SYSTEM overrides. */
  readonly settings: Readonly<Record<string, string>>;
}

/** A start or stop that takes longer has failed. */
export const serverLimitMs = 60_000;
const pollMs = 20;
/** How long the children of a killed server may take to notice that it is gone. */
const orphanLimitMs = 10_000;

/** The major version that made the data, or null when there is no data. */
export async function clusterMajor(dataDirectory: string): Promise<string | null> {
  const version = await readFile(join(dataDirectory, 'PG_VERSION'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return version?.trim() ?? null;
}

/**
 * Makes a cluster that appears under its name only when complete, so that an initdb killed half-way leaves nothing to
 * trust. Locale C and UTF8 exist on every system and sort the same on each. No fsync here: what a power failure in these
 * seconds can spoil holds no data yet.
 * @throws {PulseError} `embedded-unavailable` with initdb's own words.
 */
export async function createCluster(
  plan: Pick<ServerPlan, 'programs' | 'account' | 'dataDirectory'> & { readonly pid: number },
  extraArguments: readonly string[] = [],
): Promise<void> {
  const { programs, account, dataDirectory } = plan;
  const parent = dirname(dataDirectory);
  const prefix = `${basename(dataDirectory)}.new-`;
  for (const name of await readdir(parent)) {
    // Best effort: an orphaned initdb may still be writing there, and its leftovers go the next time.
    if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
  }
  const staging = join(parent, `${prefix}${plan.pid}`);
  await mkdir(staging, { mode: 0o700 });
  await giveTo(account, staging);
  const args = ['-D', staging, '-U', 'postgres', '--encoding=UTF8', '--locale=C', '--no-sync', '--no-instructions'];
  const surroundings = { account, workingDirectory: parent };
  const access = ['--auth-local=trust', '--auth-host=reject'];
  const { exitCode, output } = await runProgram(programs.initdb, [...args, ...access, ...extraArguments], surroundings);
  if (exitCode !== 0) {
    await rm(staging, { recursive: true, force: true });
    const unknownUser = /could not look up effective user ID/.test(output);
    throw new PulseError('embedded-unavailable', `initdb failed: ${lastLines(output)}`, {
      hint: unknownUser
        ? 'PostgreSQL wants the user in /etc/passwd: add a line for this uid, run as root, or name a server with --database-url'
        : 'correct what initdb names (disk space, rights), or name a server with --database-url',
    });
  }
  await rename(staging, dataDirectory);
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-12).join('\n');
}

/** The server that runs on this data, or null: a pid file left by a crash, or naming a stranger, counts as none. */
export async function runningServer(dataDirectory: string): Promise<RunningServer | null> {
  const lines = (await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0 || !(await isServerOf(pid, dataDirectory))) return null;
  return { pid, port: Number(lines[3]), socketDirectory: lines[4] ?? '', ready: lines[7]?.trim() === 'ready' };
}

async function removeLeftovers(plan: ServerPlan, port: string): Promise<void> {
  // The server removes these itself unless their pid now belongs to another program of the same account.
  const stale = [join(plan.dataDirectory, 'postmaster.pid'), join(plan.socketDirectory, `.s.PGSQL.${port}.lock`)];
  for (const path of stale) await unlink(path).catch(() => undefined);
}

async function openDirectory(path: string, account: ServerAccount | null): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await giveTo(account, path);
}

function commandLine(plan: ServerPlan): string[] {
  const settings: Record<string, string> = {
    ...plan.settings,
    unix_socket_directories: `"${plan.socketDirectory.replaceAll('"', '""')}"`,
    log_destination: 'stderr',
    logging_collector: 'off',
  };
  return ['-D', plan.dataDirectory, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    kill(pid, signal);
  } catch (error) {
    // It ended between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Waits until a server takes connections. @throws {PulseError} `embedded-unavailable` after a minute. */
export async function awaitReady(
  dataDirectory: string,
  clock: Clock,
  launched?: LaunchedServer,
): Promise<RunningServer | null> {
  const begun = clock.now();
  while (launched?.hasEnded() !== true) {
    const server = await runningServer(dataDirectory);
    if (server?.ready && (launched === undefined || server.pid === launched.pid)) return server;
    if (server === null && launched === undefined) return null;
    if (clock.now() - begun >= serverLimitMs) {
      if (launched) send(launched.pid, 'SIGQUIT');
      throw new PulseError('embedded-unavailable', `the server was not ready within ${serverLimitMs / 1000} s`);
    }
    await clock.sleep(pollMs);
  }
  return null;
}

/**
 * Starts a server that stays when this program ends, and waits until it takes connections.
 * @throws {PulseError} `embedded-unavailable` with the last lines of the server's log.
 */
export async function startServerOn(plan: ServerPlan, clock: Clock): Promise<RunningServer> {
  const port = plan.settings['port'] ?? '5432';
  const surroundings = { account: plan.account, workingDirectory: dirname(plan.dataDirectory) };
  await openDirectory(plan.socketDirectory, plan.account);
  const begun = clock.now();
  for (;;) {
    await removeLeftovers(plan, port);
    const launched = await launchProgram(plan.programs.postgres, commandLine(plan), surroundings, plan.logFile);
    const server = await awaitReady(plan.dataDirectory, clock, launched);
    if (server) return server;
    const log = await readFile(plan.logFile, 'utf8');
    // Backends of a killed server keep its shared memory until they notice; the server then refuses to start.
    if (/pre-existing shared memory block/.test(log) && clock.now() - begun < orphanLimitMs) {
      await clock.sleep(200);
      continue;
    }
    throw new PulseError(
      'embedded-unavailable',
      `the server in ${plan.dataDirectory} did not start:\n${lastLines(log)}`,
      {
        hint: `the whole log: ${plan.logFile}; to begin anew without its data: pulse-migrate embedded reset`,
      },
    );
  }
}

/** Whether the socket of a running server is still on the disk; a cleaned temporary directory takes it away. */
export async function socketIsThere(server: RunningServer): Promise<boolean> {
  const path = join(server.socketDirectory, `.s.PGSQL.${server.port}`);
  return (await stat(path).catch(() => null))?.isSocket() ?? false;
}

/**
 * Stops the server on this data, if one runs: at once for its clients, with a checkpoint for its data; without one when
 * that takes longer than a minute. Answers whether there was one.
 * @throws {PulseError} `embedded-unavailable` when it survives both.
 */
export async function stopServerOn(dataDirectory: string, clock: Clock): Promise<boolean> {
  const server = await runningServer(dataDirectory);
  if (server === null) return false;
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    const begun = clock.now();
    if (await isServerOf(server.pid, dataDirectory)) send(server.pid, signal);
    while (clock.now() - begun < serverLimitMs) {
      if (!(await isServerOf(server.pid, dataDirectory))) return true;
      await clock.sleep(pollMs);
    }
  }
  throw new PulseError('embedded-unavailable', `the server with pid ${server.pid} does not stop`, {
    hint: `kill -9 ${server.pid}`,
  });
}
