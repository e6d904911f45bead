import { expect } from 'vitest';
import { runChecklist } from '../../../src/doctor/checklist.ts';
import { backup } from '../../../src/doctor/checks/backup.ts';
import { clientTools } from '../../../src/doctor/checks/client-tools.ts';
import { connection } from '../../../src/doctor/checks/connection.ts';
import { ledgerAndFiles } from '../../../src/doctor/checks/ledger-and-files.ts';
import { extensionFinding, pgcrypto } from '../../../src/doctor/checks/pgcrypto.ts';
import { readOnly } from '../../../src/doctor/checks/read-only.ts';
import { programRunner } from '../../../src/programs.ts';
import { openSession } from '../../support/open-session.ts';
import { pgbouncerIsHere, startPgbouncer } from '../../support/pgbouncer.ts';
import { startServer } from '../../support/server.ts';
import { contextOf, pendingMigration } from './context.ts';
import { test } from './plain-role.ts';

test('an empty database on a supported server passes the whole list without a failure', async ({ database }) => {
  const results = await runChecklist(contextOf(await openSession(database.url)), { only: 'all', skip: [] });
  expect(results.filter(({ outcome }) => outcome === 'failure')).toEqual([]);
  expect(results.find(({ id }) => id === 'server-version')?.outcome).toBe('ok');
});

test('pgcrypto is ok while it is only available, and ok with its version once it is installed', async ({
  database,
}) => {
  const session = await openSession(database.url);
  const pending = [pendingMigration('CREATE EXTENSION pgcrypto')];
  expect(await pgcrypto.run(contextOf(session, { pending }))).toMatchObject({
    outcome: 'ok',
    message: expect.stringContaining('may create it'),
  });
  await database.admin('CREATE EXTENSION pgcrypto');
  expect(await pgcrypto.run(contextOf(session, { pending }))).toMatchObject({
    outcome: 'ok',
    message: expect.stringContaining('is installed'),
  });
});

test('a role that may not create pgcrypto fails only when a pending file needs it, and a GRANT is enough', async ({
  database,
  plainRole,
}) => {
  const session = await openSession(plainRole.url);
  const needed = { pending: [pendingMigration("DO $$ BEGIN EXECUTE 'create extension pgcrypto'; END $$")] };
  const mentioned = { pending: [pendingMigration('-- needs no pgcrypto\nSELECT 1')] };
  expect((await pgcrypto.run(contextOf(session, mentioned))).outcome).toBe('warning');
  const finding = await pgcrypto.run(contextOf(session, needed));
  expect(finding.outcome).toBe('failure');
  await database.admin(finding.hint?.split(' or as')[0] ?? '');
  expect((await pgcrypto.run(contextOf(session, needed))).outcome).toBe('ok');
});

test('an extension without a package on the server is told with the package to install', async ({ database }) => {
  const session = await openSession(database.url);
  expect(await extensionFinding(session, 'pulse_no_such_extension', true)).toMatchObject({
    outcome: 'failure',
    message: expect.stringContaining('not available'),
    hint: expect.stringContaining('postgresql-contrib'),
  });
  expect((await extensionFinding(session, 'pulse_no_such_extension', false)).outcome).toBe('warning');
});

test('a database that is read-only by default fails with the statement that lifts it', async ({ database }) => {
  await database.admin(`ALTER DATABASE "${database.name}" SET default_transaction_read_only = on`);
  const finding = await readOnly.run(contextOf(await openSession(database.url)));
  expect(finding.outcome).toBe('failure');
  await database.admin(`SET default_transaction_read_only = off; ${finding.hint}`);
  expect((await readOnly.run(contextOf(await openSession(database.url)))).outcome).toBe('ok');
});

test('a standby fails with the way to the primary', async () => {
  await using server = await startServer({ standby: true });
  await using session = await openSession(server.url);
  expect(await readOnly.run(contextOf(session))).toMatchObject({
    outcome: 'failure',
    message: expect.stringContaining('standby'),
    hint: expect.stringContaining('target_session_attrs=read-write'),
  });
});

test('the connection is told with server, role and the kind of line', async () => {
  await using server = await startServer();
  await using session = await openSession(server.socketUrl);
  const overTcp = await openSession(server.url);
  expect((await connection.run(contextOf(session))).message).toMatch(/as postgres, over a Unix socket$/);
  expect((await connection.run(contextOf(overTcp))).message).toMatch(/as postgres, not encrypted$/);
});

test('a database with one row is told to want a backup, an empty one is not', async ({ database }) => {
  const context = contextOf(await openSession(database.url));
  await database.admin('CREATE TABLE t (id int)');
  expect((await backup.run(context)).outcome).toBe('ok');
  await database.admin('INSERT INTO t VALUES (1)');
  expect(await backup.run(context)).toMatchObject({
    outcome: 'warning',
    hint: expect.stringMatching(/--backup DIR.*--backup-done/),
  });
});

test('client tools that are not there are a warning with the package to install', async ({ database }) => {
  const context = contextOf(await openSession(database.url), { run: programRunner({ PATH: '/nonexistent' }) });
  expect(await clientTools.run(context)).toMatchObject({
    outcome: 'warning',
    hint: expect.stringContaining('postgresql-client-'),
  });
});

test('every disagreement of files and ledger is named, with the next step for the first', async ({ database }) => {
  const session = await openSession(database.url);
  expect((await ledgerAndFiles.run(contextOf(session))).outcome).toBe('ok');
  const finding = await ledgerAndFiles.run(
    contextOf(session, {
      disagreements: [
        { version: '0002', name: 'b', state: 'changed', file: 'migrations/0002_b.up.sql', finish: null },
        { version: '0003', name: 'c', state: 'missing', file: null, finish: null },
        { version: '0001', name: 'a', state: 'out-of-order', file: 'migrations/0001_a.up.sql', finish: null },
      ],
    }),
  );
  expect(finding.outcome).toBe('failure');
  expect(finding.message).toMatch(
    /0002_b\.up\.sql was changed.*0003_c is applied.*0001_a\.up\.sql is pending, but older/,
  );
  expect(finding.hint).toBe('pulse-migrate diff 0002');
});

test.runIf(pgbouncerIsHere)('a pooler in between is told', async ({ database }) => {
  await using session = await openSession(await startPgbouncer(database.url, 'transaction'));

  expect((await connection.run(contextOf(session))).message).toContain('through a connection pooler');
});
