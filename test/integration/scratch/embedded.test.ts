import { spawn } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, rmdir, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import { startEmbedded, stopEmbedded } from '../../../src/scratch/embedded.ts';
import { serverAccount } from '../../../src/scratch/embedded-account.ts';
import { embeddedLocation } from '../../../src/scratch/embedded-location.ts';
import { startStamp } from '../../../src/scratch/embedded-running.ts';
import { ask, type Machine, openMachine } from '../../support/embedded-project.ts';

let machine: Machine;
const root = process.getuid?.() === 0;

beforeAll(async () => {
  machine = await openMachine();
});
afterAll(() => machine[Symbol.asyncDispose]());

async function postmasterOf(server: { readonly dataDirectory: string }): Promise<number> {
  return Number.parseInt(await readFile(join(server.dataDirectory, 'postmaster.pid'), 'utf8'), 10);
}

/** Back when the process is gone; for ever where it stays. */
async function end(pid: number): Promise<void> {
  while ((await startStamp(pid)) !== null) await machine.deps.sleep(10);
}

/** SIGKILL, and back when it is gone. */
async function murder(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await end(pid);
}

async function failureOf(work: Promise<unknown>): Promise<PulseError> {
  const error: unknown = await work.then(
    () => null,
    (reason) => reason,
  );
  if (error instanceof PulseError) return error;
  throw new Error(`no PulseError: ${String(error)}`);
}

test('a first start makes a server that only its own user can reach, without password and without TCP', async () => {
  const project = await machine.project('first start');
  const server = await project.start();
  expect(server).toMatchObject({ started: true, port: 5432 });
  const [facts] = await ask(
    server,
    `SELECT current_setting('listen_addresses') AS tcp, current_setting('TimeZone') AS zone,
    current_setting('fsync') AS fsync, current_setting('server_version') AS version, datcollate AS collation,
    pg_encoding_to_char(encoding) AS encoding FROM pg_database WHERE datname = 'postgres'`,
  );
  expect(facts).toEqual({
    tcp: '',
    zone: 'UTC',
    fsync: 'on',
    version: server.version,
    collation: 'C',
    encoding: 'UTF8',
  });
  expect((await stat(server.socketDirectory)).mode & 0o777).toBe(0o700);
  expect((await stat(server.dataDirectory)).mode & 0o777).toBe(0o700);
  const url = new URL(server.url);
  expect([url.username, url.hostname, url.pathname]).toEqual(['postgres', 'localhost', '/postgres']);
  expect(url.searchParams.get('host')).toBe(server.socketDirectory);
  expect(server.url).not.toContain(' ');
});

test('a second start finds the first server, and what was written survives a stop', async () => {
  const project = await machine.project('kept');
  const first = await project.start();
  await ask(first, 'CREATE TABLE kept AS SELECT 42 AS n');
  const pid = await postmasterOf(first);
  expect(await project.start()).toEqual({ ...first, started: false });
  expect(await postmasterOf(first)).toBe(pid);
  expect(await project.stop()).toEqual({ stopped: true });
  expect(await project.stop()).toEqual({ stopped: false });
  // Its last moments lie behind the removal of postmaster.pid, which is what pg_ctl waits for.
  await end(pid);
  const again = await project.start();
  expect(again.started).toBe(true);
  expect(await ask(again, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
});

test('a reset deletes the data, and the next start is a first one', async () => {
  const project = await machine.project('reset');
  await ask(await project.start(), 'CREATE TABLE gone ()');
  expect(await project.reset()).toMatchObject({ stopped: true, deleted: true });
  expect(await project.reset()).toMatchObject({ stopped: false, deleted: false });
  const server = await project.start();
  expect(await ask(server, "SELECT to_regclass('gone') AS t")).toEqual([{ t: null }]);
});

test('after the postmaster was killed, the next start recovers what was committed', async () => {
  const project = await machine.project('killed');
  const server = await project.start();
  await ask(server, 'CREATE TABLE kept AS SELECT 42 AS n');
  await murder(await postmasterOf(server));
  const again = await project.start();
  expect(again.started).toBe(true);
  expect(await ask(again, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
});

test('a pid file whose number now belongs to another program of the same user stops nothing and harms nobody', async () => {
  const project = await machine.project('stale pid');
  const server = await project.start();
  await murder(await postmasterOf(server));
  const { uid, gid } = await stat(server.dataDirectory);
  const stranger = spawn('sleep', ['600'], { cwd: '/', uid, gid });
  try {
    for (const path of [
      join(server.dataDirectory, 'postmaster.pid'),
      join(server.socketDirectory, '.s.PGSQL.5432.lock'),
    ]) {
      await writeFile(path, (await readFile(path, 'utf8')).replace(/^\d+/, String(stranger.pid)));
    }
    expect((await project.start()).started).toBe(true);
    expect(await project.stop()).toEqual({ stopped: true });
    expect(await startStamp(stranger.pid ?? 0)).not.toBeNull();
  } finally {
    stranger.kill();
  }
});

test('what a killed initdb or a half-finished delete left is removed and made anew', async () => {
  const project = await machine.project('half-made');
  const { dataDirectory } = await embeddedLocation(
    project.directory,
    machine.deps.identity,
    await serverAccount(machine.deps.identity.uid),
  );
  await mkdir(join(dataDirectory, 'base'), { recursive: true });
  await mkdir(`${dataDirectory}.new-999999999/global`, { recursive: true });
  const server = await project.start();
  expect(server.dataDirectory).toBe(dataDirectory);
  expect(await ask(server, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  expect((await readdir(dirname(dataDirectory))).filter((name) => name.startsWith('data'))).toEqual(['data']);
});

test('of two commands at once one starts the server and both use it', async () => {
  const project = await machine.project('two at once');
  const [one, two] = await Promise.all([machine.startInChild(project), machine.startInChild(project)]);
  expect([one.started, two.started].sort()).toEqual([false, true]);
  expect(one.url).toBe(two.url);
  expect(await ask(one, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test('the lock of a dead command is taken over, that of a living one is waited for and then named', async () => {
  const project = await machine.project('locked');
  const { lockFile } = await embeddedLocation(
    project.directory,
    machine.deps.identity,
    await serverAccount(machine.deps.identity.uid),
  );
  // A living program, yet not the one that took the lock: its number was given away again.
  await writeFile(lockFile, `${process.pid} 1\n`);
  expect((await project.start()).started).toBe(true);
  await project.stop();
  await writeFile(lockFile, `${process.pid} ${await startStamp(process.pid)}\n`);
  let hours = 0;
  const impatient = { ...machine.deps, now: () => ++hours * 3_600_000 };
  const failure = await failureOf(startEmbedded(impatient, { projectDirectory: project.directory }));
  expect(failure.code).toBe('embedded-unavailable');
  expect(failure.message).toContain(`pid ${process.pid}`);
  await rm(lockFile);
});

test('a running server whose socket was cleaned away is restarted with its data', async () => {
  const project = await machine.project('no socket');
  const server = await project.start();
  await ask(server, 'CREATE TABLE kept AS SELECT 42 AS n');
  await rm(server.socketDirectory, { recursive: true });
  const again = await project.start();
  expect(again.started).toBe(true);
  expect(await ask(again, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
});

test('data of another major version is refused with the way out, and left alone', async () => {
  const project = await machine.project('other major');
  const { dataDirectory } = await project.start();
  await project.stop();
  await writeFile(join(dataDirectory, 'PG_VERSION'), '14\n');
  const failure = await failureOf(project.start());
  expect(failure.message).toMatch(/made by PostgreSQL 14, this is PostgreSQL 1[5-8]\./);
  expect(failure.hint).toContain('pulse-migrate embedded reset');
  expect(await readFile(join(dataDirectory, 'PG_VERSION'), 'utf8')).toBe('14\n');
});

test('a server that refuses its configuration is quoted', async () => {
  const project = await machine.project('broken configuration');
  const { dataDirectory } = await project.start();
  await project.stop();
  await writeFile(join(dataDirectory, 'postgresql.conf'), 'nonsense = 1\n');
  const failure = await failureOf(project.start());
  expect(failure.message).toContain('unrecognized configuration parameter "nonsense"');
  expect(failure.hint).toContain('pulse-migrate embedded reset');
});

test('where the path of the socket would be too long for the system, it lies in the temporary directory', async () => {
  const deep = join(machine.root, 'deep'.repeat(30));
  await mkdir(deep, { mode: 0o755 });
  const identity = { ...machine.deps.identity, systemStateDirectory: deep, homeDirectory: deep };
  const project = await machine.project('long path');
  const place = { ...machine.deps, identity };
  const server = await startEmbedded(place, { projectDirectory: project.directory });
  try {
    expect(server.dataDirectory.startsWith(deep)).toBe(true);
    expect(server.socketDirectory.startsWith(identity.temporaryDirectory)).toBe(true);
    expect(await ask(server, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  } finally {
    await stopEmbedded(place, { projectDirectory: project.directory });
  }
});

test('a link planted under the name of our temporary directory is not followed', async () => {
  const temporaryDirectory = join(machine.root, 'planted');
  const { uid } = machine.deps.identity;
  await mkdir(join(temporaryDirectory, 'elsewhere'), { recursive: true });
  await symlink(join(temporaryDirectory, 'elsewhere'), join(temporaryDirectory, `pulse-migrate-${uid}`));
  // Nothing else on offer: neither a home nor a directory for state.
  const identity = {
    ...machine.deps.identity,
    homeDirectory: null,
    systemStateDirectory: '/dev/null',
    temporaryDirectory,
  };
  const location = await embeddedLocation(machine.root, identity, await serverAccount(uid));
  expect(location.base).toMatch(new RegExp(`/tmp/pulse-migrate-${uid}$`));
  expect(await readdir(join(temporaryDirectory, 'elsewhere'))).toEqual([]);
  // The last resort is a real place of this user; it stays if anything else is in it.
  await rmdir(location.base).catch(() => undefined);
});

test('programs override that has no programs in it is refused by name', async () => {
  const project = await machine.project('no programs');
  const deps = { ...machine.deps, binaries: { ...machine.deps.binaries, override: machine.root } };
  const failure = await failureOf(startEmbedded(deps, { projectDirectory: project.directory }));
  expect(failure.message).toContain(`PULSE_EMBEDDED_POSTGRES names ${machine.root}`);
});

test.runIf(root)('root gets a server under an unprivileged account for a project only root can enter', async () => {
  const project = await machine.project('of root alone');
  await chmod(project.directory, 0o700);
  const server = await project.start();
  expect((await stat(server.dataDirectory)).uid).toBe((await serverAccount(0))?.uid);
  expect((await stat(`/proc/${await postmasterOf(server)}`)).uid).toBe((await serverAccount(0))?.uid);
  expect(await ask(server, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test.runIf(root)('an ordinary user without a home gets a server in the temporary directory', async () => {
  const project = await machine.project('homeless');
  const account = await serverAccount(0);
  if (account === null) throw new Error('root needs an account for servers');
  const server = await machine.startInChild(project, account);
  expect(server.started).toBe(true);
  expect(
    server.dataDirectory.startsWith(join(machine.deps.identity.temporaryDirectory, `pulse-migrate-${account.uid}`)),
  ).toBe(true);
  expect(await ask(server, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});
