import { spawn } from 'node:child_process';
import { access, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { onTestFinished } from 'vitest';

/** Where Debian puts it; a machine with nothing but Node has none, and npm ships none. */
const program = '/usr/sbin/pgbouncer';

/** Whether the tests with a real pooler can run here; CI installs one. */
export const pgbouncerIsHere = await access(program).then(
  () => true,
  () => false,
);

/** The same database through a pooler in front of its server, for the length of a test. */
export async function startPgbouncer(
  url: string,
  mode: 'transaction' | 'session' | 'statement',
  poolSize = 20,
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'pulse-pgbouncer-'));
  const server = new URL(url);
  const port = await freePort();
  const configuration = join(directory, 'pgbouncer.ini');
  const upstream = `host=${server.hostname} port=${server.port} user=${server.username} password='${decodeURIComponent(server.password)}'`;
  await writeFile(
    configuration,
    [
      '[databases]',
      `* = ${upstream}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = any',
      `pool_mode = ${mode}`,
      `default_pool_size = ${poolSize}`,
      'max_client_conn = 500',
      '',
    ].join('\n'),
  );
  // It refuses to run as root.
  const account = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : null;
  if (account !== null) await chown(directory, account.uid, account.gid);
  const child = spawn(program, ['-q', configuration], { ...(account ?? {}), stdio: 'ignore' });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });
  server.port = String(port);
  server.hostname = '127.0.0.1';
  await answers(server.href);
  return server.href;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function answers(url: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const sql = postgres(url, { max: 1, fetch_types: false, prepare: false, onnotice: () => {} });
    try {
      await sql.unsafe('SELECT 1').simple();
      return;
    } catch (error) {
      if (attempt === 50) throw error;
      await delay(100);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
}
