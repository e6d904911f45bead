import { expect } from 'vitest';
import { rights } from '../../../src/doctor/checks/rights.ts';
import { installLedger } from '../../../src/ledger/install.ts';
import { readLedger } from '../../../src/ledger/read.ts';
import { installing } from '../../support/installing.ts';
import { openSession } from '../../support/open-session.ts';
import { contextOf, pendingMigration } from './context.ts';
import { test } from './plain-role.ts';

test('a superuser has every right', async ({ database }) => {
  const session = await openSession(database.url);
  expect(await rights.run(contextOf(session, { pending: [pendingMigration('CREATE TABLE t ()')] }))).toMatchObject({
    outcome: 'ok',
  });
});

test('a role that may only connect is told every GRANT, and running them is enough', async ({
  database,
  plainRole,
}) => {
  const context = contextOf(await openSession(plainRole.url), { pending: [pendingMigration('CREATE TABLE t ()')] });
  const finding = await rights.run(context);
  expect(finding.outcome).toBe('failure');
  expect(finding.message).toContain(`CREATE on database ${database.name}`);
  expect(finding.message).toContain('CREATE on schema public');
  expect(finding.hint).toContain(`"${plainRole.name}"`);
  await database.admin(finding.hint ?? '');
  expect(await rights.run(context)).toMatchObject({ outcome: 'ok' });
});

test('a schema that no pending migration creates in needs no right', async ({ database, plainRole }) => {
  await database.admin(`GRANT CREATE ON DATABASE "${database.name}" TO "${plainRole.name}"`);
  const pending = [pendingMigration('ALTER TABLE t ADD c int')];
  expect(await rights.run(contextOf(await openSession(plainRole.url), { pending }))).toMatchObject({ outcome: 'ok' });
});

test('what is made in a schema that is named needs CREATE there and nowhere else', async ({ database, plainRole }) => {
  await database.admin(
    `GRANT CREATE ON DATABASE "${database.name}" TO "${plainRole.name}"; CREATE SCHEMA "S 1"; CREATE SCHEMA own AUTHORIZATION "${plainRole.name}"`,
  );
  const session = await openSession(plainRole.url);
  const lacking = async (text: string) =>
    (await rights.run(contextOf(session, { pending: [pendingMigration(text)] }))).hint?.match(/SCHEMA .* TO/)?.[0] ??
    null;

  expect(await lacking('CREATE TABLE own.t (); CREATE OR REPLACE FUNCTION own.f() RETURNS int RETURN 1')).toBeNull();
  expect(await lacking('CREATE VIEW "S 1".v AS SELECT 1')).toBe('SCHEMA "S 1" TO');
  expect(await lacking('CREATE SCHEMA n; CREATE TABLE n.t (); CREATE TEMP TABLE x ()')).toBeNull();
  expect(await lacking('SET search_path = own; CREATE TABLE t ()')).toBeNull();
  expect(await lacking('CREATE UNLOGGED TABLE IF NOT EXISTS t ()')).toBe('SCHEMA "public" TO');
});

test("a schema made for the ledger beforehand takes the place of CREATE on the database once it is the role's own", async ({
  database,
  plainRole,
}) => {
  await database.admin('CREATE SCHEMA pulse_migrate');
  const context = contextOf(await openSession(plainRole.url));
  const finding = await rights.run(context);
  expect(finding).toEqual({
    outcome: 'failure',
    message: `${plainRole.name} lacks ownership of schema pulse_migrate (for the ledger)`,
    hint: `ALTER SCHEMA "pulse_migrate" OWNER TO "${plainRole.name}";`,
  });
  await database.admin(finding.hint ?? '');
  expect(await rights.run(context)).toMatchObject({ outcome: 'ok' });
  await installLedger(installing(context.session), { schema: 'pulse_migrate', toolVersion: '0.0.0', waitMs: 0 });
});

test('a ledger of another role is opened by the GRANTs that are told', async ({ database, plainRole }) => {
  const admin = await openSession(database.url);
  await installLedger(installing(admin), { schema: 'pulse_migrate', toolVersion: '0.0.0', waitMs: 0 });
  const ledger = await readLedger(admin, 'pulse_migrate');
  const context = contextOf(await openSession(plainRole.url), { ledger });
  const finding = await rights.run(context);
  expect(finding).toMatchObject({
    outcome: 'failure',
    message: expect.stringContaining('INSERT on pulse_migrate.ledger'),
  });
  expect(finding.message).toContain('USAGE on schema pulse_migrate');
  await database.admin(finding.hint ?? '');
  expect(await rights.run(context)).toMatchObject({ outcome: 'ok' });
});
