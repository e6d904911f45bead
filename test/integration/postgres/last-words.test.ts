import { once } from 'node:events';
import { type AddressInfo, connect as connectTo, createServer } from 'node:net';
import { expect, onTestFinished } from 'vitest';
import { test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { until } from '../../support/until.ts';

/** Passes everything on; when the server hangs up, the client's connection is reset, as by a server with unread input. */
async function startResettingProxy({ hostname, port }: URL): Promise<number> {
  const server = createServer((client) => {
    const upstream = connectTo(Number(port), hostname);
    client.on('data', (bytes) => upstream.write(bytes)).on('error', () => {});
    upstream.on('data', (bytes) => client.write(bytes)).on('error', () => {});
    // In its own turn, so that the last words are on their way before it.
    upstream.on('close', () => setTimeout(() => client.resetAndDestroy(), 50));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

test('what the server says when it ends a session is told by each statement on its way, also when a reset follows', async ({
  database,
}) => {
  const url = new URL(database.url);
  url.port = String(await startResettingProxy(url));
  url.searchParams.set('sslmode', 'disable');
  const session = await openSession(url.href);
  const outcomes = Promise.allSettled([session.run('SELECT pg_sleep(60)'), session.run('SELECT 1')]);
  await until('it sleeps', async () => {
    const rows = await database.admin(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
    );
    return rows.length > 0;
  });

  await database.admin(`SELECT pg_terminate_backend(${session.backendPid})`);

  const lost = { status: 'rejected', reason: { code: 'connection-lost', server: { sqlstate: '57P01' } } };
  expect(await outcomes).toMatchObject([lost, lost]);
});
