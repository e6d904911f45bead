import { expect, onTestFinished } from 'vitest';
import { interruptible } from '../../../src/postgres/interruptible.ts';
import { sql } from '../../../src/postgres/sql.ts';
import { type Cut, startCuttingProxy } from '../../support/cutting-proxy.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { until } from '../../support/until.ts';

/** Much faster than the process: what is counted is beats. */
function every(_milliseconds: number, beat: () => void): () => void {
  const timer = setInterval(beat, 20);
  return () => clearInterval(timer);
}

async function isSleeping(database: TestDatabase): Promise<boolean> {
  const rows = await database.admin(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
  );
  return rows.length > 0;
}

/** Begins to sleep behind a proxy and sends the signal then; gives how many messages had gone to the server until then. */
async function interruptSleep(database: TestDatabase, cut: Cut | null): Promise<number> {
  const url = new URL(database.url);
  const proxy = await startCuttingProxy({ host: url.hostname, port: Number(url.port) }, cut);
  onTestFinished(() => proxy.close());
  url.port = String(proxy.port);
  url.searchParams.set('sslmode', 'disable');
  const controller = new AbortController();
  const session = interruptible(await openSession(url.href), { signal: controller.signal, every });
  const outcome = session.run('SELECT pg_sleep(60)').then(
    () => 'it slept to the end',
    (error: unknown) => error,
  );
  await until('it sleeps', () => isSleeping(database));
  const passed = proxy.passed['to-server'];

  controller.abort();

  expect(await outcome).toMatchObject({ sqlstate: '57014' });
  expect(proxy.cut).toBe(cut !== null);
  expect(await session.rows(sql`SELECT 1 AS one`)).toEqual([{ one: 1 }]);
  return passed;
}

test('a cancel request that is lost is sent again until the statement has ended', async ({ database }) => {
  const before = await interruptSleep(database, null);

  await interruptSleep(database, { side: 'to-server', message: before + 1, mode: 'once' });
});

test('what is asked after the signal is answered, and cancelled only when it does not come to an end', async ({
  database,
}) => {
  const session = interruptible(await openSession(database.url), { signal: AbortSignal.abort(), every });

  await session.run('CREATE TABLE a ()');
  expect(await database.admin(`SELECT to_regclass('a')::text AS a`)).toEqual([{ a: 'a' }]);
  await expect(session.run('SELECT pg_sleep(60)')).rejects.toMatchObject({ sqlstate: '57014' });
});

test('a statement that is begun while a cancel is under way is not hit by it', async ({ database }) => {
  const { signal } = new AbortController();
  const session = interruptible(await openSession(database.url), { signal, every });

  const cancelling = session.cancel();
  const rows = await session.rows(sql`SELECT pg_sleep(0.5)::text AS slept`);
  await cancelling;

  expect(rows).toEqual([{ slept: '' }]);
});
