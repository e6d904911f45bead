import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Check, Finding } from '../../../src/doctor/check.ts';
import { clock } from '../../../src/doctor/checks/clock.ts';
import { extensions } from '../../../src/doctor/checks/extensions.ts';
import { invalidIndexes } from '../../../src/doctor/checks/invalid-indexes.ts';
import { oldTransactions, oldTransactionsOf } from '../../../src/doctor/checks/old-transactions.ts';
import { preparedTransactions, preparedTransactionsOf } from '../../../src/doctor/checks/prepared-transactions.ts';
import { replicationLag } from '../../../src/doctor/checks/replication-lag.ts';
import { replicationSlots } from '../../../src/doctor/checks/replication-slots.ts';
import { slowLog } from '../../../src/doctor/checks/slow-log.ts';
import { transactionIds } from '../../../src/doctor/checks/transaction-ids.ts';
import { unvalidatedConstraints } from '../../../src/doctor/checks/unvalidated-constraints.ts';
import { walArchiving } from '../../../src/doctor/checks/wal-archiving.ts';
import { sql } from '../../../src/postgres/sql.ts';
import { openSession } from '../../support/open-session.ts';
import { startServer } from '../../support/server.ts';
import { until } from '../../support/until.ts';
import { contextOf, pendingMigration } from './context.ts';
import { test } from './plain-role.ts';

/** What a check says to somebody who connects just now. */
async function foundAt(url: string, check: Check): Promise<Finding> {
  await using session = await openSession(url);
  return await check.run(contextOf(session));
}

test('an old transaction is told with its process and how to end it; a role that sees nothing of it says that', async ({
  database,
  plainRole,
}) => {
  await using holder = await openSession(database.url);
  expect((await foundAt(database.url, oldTransactionsOf(0))).outcome).toBe('ok');
  await holder.run('BEGIN');

  const seen = await foundAt(database.url, oldTransactionsOf(0));
  const hidden = await foundAt(plainRole.url, oldTransactionsOf(0));

  expect((await foundAt(database.url, oldTransactions)).outcome).toBe('ok');
  expect(hidden).toMatchObject({ outcome: 'unknown', hint: expect.stringContaining('pg_read_all_stats') });
  expect(seen).toMatchObject({
    outcome: 'warning',
    message: expect.stringContaining(`pid ${holder.backendPid} of `),
    hint: expect.stringContaining(`SELECT pg_terminate_backend(${holder.backendPid})`),
  });
  await database.admin(`SELECT pg_terminate_backend(${holder.backendPid})`);
  await until('its end', async () => (await foundAt(database.url, oldTransactionsOf(0))).outcome === 'ok');
});

test('a prepared transaction that nobody ended is told with the statement that ends it', async () => {
  await using server = await startServer();
  await using session = await openSession(server.url);
  await session.run("BEGIN; CREATE TABLE t (id int); PREPARE TRANSACTION 'it''s left'");

  const found = await foundAt(server.url, preparedTransactionsOf(0));

  expect((await foundAt(server.url, preparedTransactions)).outcome).toBe('ok');
  expect(found.outcome).toBe('warning');
  await session.run(found.hint?.match(/ROLLBACK PREPARED '.*?(?<!')'(?!')/)?.[0] ?? '');
  expect((await foundAt(server.url, preparedTransactionsOf(0))).outcome).toBe('ok');
});

test('a slot that nobody reads is told with the WAL kept for it, one that is dead as dead, and the hint drops it', {
  timeout: 60_000,
}, async () => {
  await using server = await startServer({ settings: { max_slot_wal_keep_size: '1MB' } });
  await using session = await openSession(server.url);
  expect((await foundAt(server.url, replicationSlots)).outcome).toBe('ok');
  await session.run("SELECT pg_create_physical_replication_slot('gone', true)");

  const kept = await foundAt(server.url, replicationSlots);
  for (let turn = 0; turn < 3; turn += 1) {
    await session.run('CREATE TABLE t (); DROP TABLE t');
    await session.run('SELECT pg_switch_wal()');
  }
  await session.run('CHECKPOINT');
  const lost = await foundAt(server.url, replicationSlots);

  expect(kept).toMatchObject({
    outcome: 'warning',
    message: expect.stringMatching(/^nobody reads gone \(.* of WAL are kept/),
  });
  expect(lost.message).toContain('its WAL is lost');
  await session.run(lost.hint?.match(/SELECT .*/)?.[0] ?? '');
  expect((await foundAt(server.url, replicationSlots)).outcome).toBe('ok');
});

test('a standby that stands still is told as behind, and one that follows is not', { timeout: 60_000 }, async () => {
  await using primary = await startServer();
  await primary.stop();
  const conninfo = `host=127.0.0.1 port=${primary.port} user=postgres password=${primary.password} application_name=second`;
  await using standby = await startServer({
    copyOf: primary,
    standby: true,
    settings: { primary_conninfo: conninfo },
  });
  await primary.start();
  await using session = await openSession(primary.url);
  await until('the standby', async () => (await session.rows(sql`SELECT FROM pg_stat_replication`)).length > 0);
  await until('it is there', async () => (await foundAt(primary.url, replicationLag)).outcome === 'ok');
  await using there = await openSession(standby.url);
  await there.run('SELECT pg_wal_replay_pause()');
  await session.run('CREATE TABLE t AS SELECT repeat(md5(n::text), 30) AS w FROM generate_series(1, 100000) AS n');

  const behind = await foundAt(primary.url, replicationLag);

  expect(behind).toMatchObject({ outcome: 'warning', message: expect.stringMatching(/^behind: second by .*MB/) });
  await there.run('SELECT pg_wal_replay_resume()');
  await until('it has caught up', async () => (await foundAt(primary.url, replicationLag)).outcome === 'ok');
});

test('an archive command that fails makes the check fail, and one that works again makes it pass', {
  timeout: 60_000,
}, async ({ database }) => {
  expect((await foundAt(database.url, walArchiving)).outcome).toBe('ok');
  await using server = await startServer({ settings: { archive_mode: 'on', archive_command: 'test -e go' } });
  await using session = await openSession(server.url);
  await session.run('CREATE TABLE t ()');
  await session.run('SELECT pg_switch_wal()');
  await until('the failure', async () => (await foundAt(server.url, walArchiving)).outcome === 'failure');

  const failing = await foundAt(server.url, walArchiving);
  await writeFile(join(server.dataDirectory, 'go'), '');
  await session.run('CREATE TABLE u ()');
  await session.run('SELECT pg_switch_wal()');

  expect(failing.message).toMatch(/^WAL is not archived: [0-9A-F]{24} failed at .*, and none was ever archived$/);
  await until('the archive', async () => (await foundAt(server.url, walArchiving)).outcome === 'ok');
});

test('an invalid index and a constraint that was never validated are told with statements that mend them', async ({
  database,
}) => {
  await database.admin('CREATE TABLE "T 1" (id int); INSERT INTO "T 1" VALUES (1), (1)');
  expect((await foundAt(database.url, invalidIndexes)).outcome).toBe('ok');
  expect((await foundAt(database.url, unvalidatedConstraints)).outcome).toBe('ok');
  await database.admin('CREATE UNIQUE INDEX CONCURRENTLY "I 1" ON "T 1" (id)').catch(() => {});
  await database.admin('ALTER TABLE "T 1" ADD CONSTRAINT "C 1" CHECK (id < 5) NOT VALID');

  const index = await foundAt(database.url, invalidIndexes);
  const constraint = await foundAt(database.url, unvalidatedConstraints);

  expect(index).toMatchObject({ outcome: 'warning', message: 'invalid: "public"."I 1" of public."T 1"' });
  expect(constraint).toMatchObject({ outcome: 'warning', message: 'never validated: C 1 of "public"."T 1"' });
  await database.admin(index.hint?.match(/DROP .*/)?.[0] ?? '');
  await database.admin(constraint.hint?.match(/ALTER .*/)?.[0] ?? '');
  expect((await foundAt(database.url, invalidIndexes)).outcome).toBe('ok');
  expect((await foundAt(database.url, unvalidatedConstraints)).outcome).toBe('ok');
});

test('slow statements that are not logged are told, with what has them logged', async ({ database }) => {
  await database.admin(`ALTER DATABASE "${database.name}" SET log_min_duration_statement = -1`);
  const off = await foundAt(database.url, slowLog);
  await database.admin(`ALTER DATABASE "${database.name}" SET log_min_duration_statement = 100`);

  expect(off).toMatchObject({ outcome: 'warning', hint: expect.stringContaining('pulse-migrate monitor setup') });
  expect((await foundAt(database.url, slowLog)).outcome).toBe('ok');
});

test('a machine whose clock is an hour off is told so', async ({ database }) => {
  await using session = await openSession(database.url);
  const late = new Date(Date.now() - 3_600_000);

  expect((await clock.run(contextOf(session))).outcome).toBe('ok');
  expect(await clock.run(contextOf(session, { now: () => late }))).toMatchObject({
    outcome: 'warning',
    message: expect.stringMatching(/at least (3599|3600|3601) seconds ahead of this machine/),
  });
});

test('an extension that a pending file creates fails where there is no package, and passes where the role may make it', async ({
  database,
  plainRole,
}) => {
  await using session = await openSession(database.url);
  await using plain = await openSession(plainRole.url);
  const pending = (text: string) => ({ pending: [pendingMigration(text)] });

  expect((await extensions.run(contextOf(session))).outcome).toBe('ok');
  expect((await extensions.run(contextOf(session, pending('CREATE EXTENSION IF NOT EXISTS plpgsql')))).outcome).toBe(
    'ok',
  );
  expect(await extensions.run(contextOf(session, pending('CREATE EXTENSION "no such"')))).toMatchObject({
    outcome: 'failure',
    message: expect.stringContaining('no such is not available'),
  });
  expect(await extensions.run(contextOf(plain, pending('create extension pg_stat_statements')))).toMatchObject({
    outcome: 'failure',
    message: expect.stringContaining('may not create it'),
  });
});

test('the age of transaction ids is that of the server', async ({ database }) => {
  const [row] = await database.admin<{ xids: number }>(
    'SELECT age(datfrozenxid)::float8 AS xids FROM pg_database WHERE datname = current_database()',
  );

  const { outcome, message } = await foundAt(database.url, transactionIds);

  expect(outcome).toBe('ok');
  expect(Number(message.match(/id is (\d+) old/)?.[1])).toBeGreaterThanOrEqual(row?.xids ?? Number.NaN);
});
