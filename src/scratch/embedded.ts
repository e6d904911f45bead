import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { PulseError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { type ServerAccount, serverAccount } from './embedded-account.ts';
import { type BinarySource, findBinaries, installPrograms, type ServerPrograms } from './embedded-binaries.ts';
import {
  type EmbeddedLocation,
  embeddedLocation,
  type HostIdentity,
  openSocketDirectory,
} from './embedded-location.ts';
import { type Clock, withExclusiveFile } from './embedded-lock.ts';
import {
  awaitReady,
  clusterMajor,
  createCluster,
  type RunningServer,
  serverLimitMs,
  socketIsThere,
  startServerOn,
  stopServerOn,
} from './embedded-server.ts';

/** What the embedded server needs of the world. */
export interface EmbeddedDependencies extends Clock {
  readonly identity: HostIdentity;
  readonly binaries: Pick<BinarySource, 'packageBase' | 'override'>;
  readonly emit: Emit;
}

/** The server of one project. */
export interface EmbeddedServer {
  /** `15.18` */
  readonly version: string;
  readonly socketDirectory: string;
  readonly port: number;
  readonly dataDirectory: string;
  /** For psql, pg and Prisma alike: the superuser `postgres`, who needs no password, on the database `postgres`. */
  readonly url: string;
  /** True when this call started it, false when it ran already. */
  readonly started: boolean;
}

interface Site {
  readonly location: EmbeddedLocation;
  readonly account: ServerAccount | null;
}

/**
 * On the command line of the server, so that no ALTER SYSTEM opens it: it trusts whoever reaches its socket, and only
 * its own user can, because the directory is 0700; on TCP, trust would make every local user a superuser. Durability
 * stays as PostgreSQL has it: data is to survive a crash of the machine, and times measured here are to mean something.
 */
const settings = { listen_addresses: '', port: '5432', unix_socket_permissions: '0700' };

/** The lock may be held for a whole first start, which copies, runs initdb and starts. */
const lockLimitMs = 3 * serverLimitMs;

function urlOf(server: RunningServer): string {
  const directory = server.socketDirectory.split('/').map(encodeURIComponent).join('/');
  return `postgresql://postgres@localhost/postgres?host=${directory}`;
}

async function siteOf(deps: EmbeddedDependencies, projectDirectory: string): Promise<Site> {
  const account = await serverAccount(deps.identity.uid);
  return { account, location: await embeddedLocation(projectDirectory, deps.identity, account) };
}

async function versionOf(location: EmbeddedLocation): Promise<string | null> {
  const recorded = await readFile(location.versionFile, 'utf8').catch(() => null);
  return recorded?.trim() ?? (await clusterMajor(location.dataDirectory).catch(() => null));
}

async function describe(location: EmbeddedLocation, server: RunningServer, started: boolean): Promise<EmbeddedServer> {
  return {
    version: (await versionOf(location)) ?? 'unknown',
    socketDirectory: server.socketDirectory,
    port: server.port,
    dataDirectory: location.dataDirectory,
    url: urlOf(server),
    started,
  };
}

/** A running server that can be reached, waiting for one that is just starting; null when one must be started. */
async function usableServer(location: EmbeddedLocation, clock: Clock): Promise<RunningServer | null> {
  const server = await awaitReady(location.dataDirectory, clock);
  return server && (await socketIsThere(server)) ? server : null;
}

function refuseOtherMajor(location: EmbeddedLocation, found: string, programs: ServerPrograms): void {
  if (found === programs.major) return;
  throw new PulseError(
    'embedded-unavailable',
    `the embedded server's data in ${location.dataDirectory} was made by PostgreSQL ${found}, this is PostgreSQL ${programs.version}`,
    {
      hint: `to begin anew without that data: pulse-migrate embedded reset; to keep it, set PULSE_EMBEDDED_POSTGRES to a directory with PostgreSQL ${found}`,
    },
  );
}

async function launch(deps: EmbeddedDependencies, { location, account }: Site): Promise<RunningServer> {
  await mkdir(location.directory, { recursive: true });
  await chmod(location.directory, account ? 0o755 : 0o700);
  await writeFile(`${location.directory}/project`, `${location.project}\n`);
  const surroundings = { account, workingDirectory: location.directory };
  const found = await findBinaries({ ...deps.binaries, ...deps.identity });
  const programs = await installPrograms(found, location.base, deps.identity, surroundings);
  const major = await clusterMajor(location.dataDirectory);
  deps.emit({ type: 'embedded-starting', version: programs.version, fresh: major === null });
  if (major === null) {
    // Data without a version is what somebody's half-finished delete left.
    await rm(location.dataDirectory, { recursive: true, force: true });
    await createCluster({ programs, account, dataDirectory: location.dataDirectory, pid: deps.identity.pid });
  } else {
    refuseOtherMajor(location, major, programs);
  }
  const socketDirectory = await openSocketDirectory(location, deps.identity, account);
  // One log back is kept, since the reason of a crash is in it.
  await rename(location.logFile, `${location.logFile}.1`).catch(() => undefined);
  const server = await startServerOn(
    { programs, account, dataDirectory: location.dataDirectory, socketDirectory, logFile: location.logFile, settings },
    deps,
  );
  await writeFile(location.versionFile, `${programs.version}\n`);
  deps.emit({ type: 'embedded-started', version: programs.version, directory: location.dataDirectory });
  return server;
}

/** Turns a refusal of the file system (full, read-only, forbidden) into one the user can act on. */
async function explained<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new PulseError('embedded-unavailable', `the embedded server's files cannot be written: ${error.message}`, {
      hint: 'free disk space or correct the rights of the path named, or name a server with --database-url',
      cause: error,
    });
  }
}

async function alone<Result>(
  deps: EmbeddedDependencies,
  location: EmbeddedLocation,
  work: () => Promise<Result>,
): Promise<Result> {
  const file = { path: location.lockFile, pid: deps.identity.pid, limitMs: lockLimitMs };
  return withExclusiveFile(file, deps, work);
}

/**
 * Makes sure that the server of a project runs, and leaves it running. Commands at the same time end up with one server.
 * @throws {PulseError} `embedded-unavailable` with the reason in the server's own words where it has any.
 */
export async function startEmbedded(
  deps: EmbeddedDependencies,
  input: { readonly projectDirectory: string },
): Promise<EmbeddedServer> {
  return explained(async () => {
    const site = await siteOf(deps, input.projectDirectory);
    const { location } = site;
    const present = await usableServer(location, deps);
    if (present) return describe(location, present, false);
    return alone(deps, location, async () => {
      const other = await usableServer(location, deps);
      if (other) return describe(location, other, false);
      // Running still means that its socket is gone, and nothing but a restart brings that back.
      await stopServerOn(location.dataDirectory, deps);
      return describe(location, await launch(deps, site), true);
    });
  });
}

/** Stops the server of a project and keeps its data; answers whether one ran. Throws as `startEmbedded` does. */
export async function stopEmbedded(
  deps: EmbeddedDependencies,
  input: { readonly projectDirectory: string },
): Promise<{ readonly stopped: boolean }> {
  return explained(async () => {
    const { location } = await siteOf(deps, input.projectDirectory);
    const stopped = await alone(deps, location, () => stopServerOn(location.dataDirectory, deps));
    return { stopped };
  });
}

/** Stops the server of a project and deletes its data; answers whether there was any. Throws as `startEmbedded` does. */
export async function resetEmbedded(
  deps: EmbeddedDependencies,
  input: { readonly projectDirectory: string },
): Promise<{ readonly stopped: boolean; readonly deleted: boolean; readonly dataDirectory: string }> {
  return explained(async () => {
    const { location, account } = await siteOf(deps, input.projectDirectory);
    const { dataDirectory } = location;
    return alone(deps, location, async () => {
      const stopped = await stopServerOn(dataDirectory, deps);
      const deleted = (await clusterMajor(dataDirectory)) !== null;
      await rm(await openSocketDirectory(location, deps.identity, account), { recursive: true, force: true });
      await rm(location.directory, { recursive: true, force: true, maxRetries: 3 });
      return { stopped, deleted, dataDirectory };
    });
  });
}
