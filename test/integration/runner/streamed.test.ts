import { appendFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import { installLedger } from '../../../src/ledger/install.ts';
import { raw } from '../../../src/postgres/sql.ts';
import { sendParts } from '../../../src/runner/send-parts.ts';
import type { Step } from '../../../src/runner/step.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { installing } from '../../support/installing.ts';
import { manyInserts, manyRows, rowsOfLargeFile } from '../../support/large-files.ts';
import { openSession } from '../../support/open-session.ts';
import { parseLargeFile } from '../../support/parse-bytes.ts';
import { pgbouncerIsHere, startPgbouncer } from '../../support/pgbouncer.ts';
import { openProject, type Project, pairs, table } from '../../support/project.ts';
import { runnerDeps } from '../../support/runner-deps.ts';
import { until } from '../../support/until.ts';

const makesTable = 'CREATE TABLE t (id int PRIMARY KEY, note text);\n';
const inserts = manyInserts();
const copies = `COPY t FROM stdin;\n${manyRows()}`;

async function rowsIn(database: TestDatabase, name = 't') {
  const [there] = await database.admin<{ there: boolean }>(`SELECT to_regclass('${name}') IS NOT NULL AS there`);
  if (there?.there !== true) return null;
  const [found] = await database.admin<{ count: number; sum: number }>(
    `SELECT count(*)::int AS count, sum(length(note))::int AS sum FROM ${name}`,
  );
  return found;
}

/** Characters of the notes. */
const lengths = Array.from(
  { length: rowsOfLargeFile },
  (_, index) => 'éed row '.length + String(index + 1).length + 81,
);
const complete = { count: rowsOfLargeFile, sum: lengths.reduce((sum, length) => sum + length, 0) };

const shapes = [
  ['INSERTs', makesTable + inserts],
  ['COPY data', makesTable + copies],
  [
    'CRLF, a byte order mark and a BEGIN and COMMIT of its own',
    `\uFEFFBEGIN;\n${makesTable}${inserts}COMMIT;\n`.replaceAll('\n', '\r\n'),
  ],
  ['one statement', `${makesTable}${inserts.replaceAll(/;\nINSERT INTO t VALUES/g, ',')}`],
] as const;

/** Runs `up` of a file that waits in its middle, does `meanwhile` there, and lets it go on. */
async function upWith(database: TestDatabase, project: Project, meanwhile: () => Promise<unknown>) {
  const running = project.cli(['up', '--json', '--yes']);
  await until('the file waits', async () => {
    const asked = await database.admin(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
    );
    return asked.length > 0;
  });
  await meanwhile();
  await database.admin('INSERT INTO gate VALUES (true)');
  return running;
}

const waitsAtGate =
  'DO $$ BEGIN WHILE (SELECT count(*) FROM gate) = 0 LOOP PERFORM pg_sleep(0.05); END LOOP; END $$;\n';

test.for(shapes)(
  'a large file with %s is applied whole, recorded by its checksum, and undone',
  async ([, up], { database }) => {
    const project = await openProject(
      pairs({ '0001_big': [up, 'DROP TABLE t;\n'], '0002_next': table('next') }),
      database,
    );

    await project.done(['up']);

    const found = await rowsIn(database);
    expect(found?.count).toBe(rowsOfLargeFile);
    if (!up.includes('\r')) expect(found).toEqual(complete);
    expect(
      await database.admin(
        "SELECT version, up_sql IS NULL AS left_out, up_checksum ~ '^[0-9a-f]{64}$' AS known, down_sql FROM pulse_migrate.ledger ORDER BY id",
      ),
    ).toEqual([
      { version: '0001', left_out: true, known: true, down_sql: 'DROP TABLE t;\n' },
      { version: '0002', left_out: false, known: true, down_sql: 'DROP TABLE next;\n' },
    ]);
    expect((await project.done(['status', '--json'])).json()).toMatchObject({
      result: { migrations: [{ state: 'applied' }, { state: 'applied' }] },
    });
    await project.done(['down', '--i-know', '--to', '0', '--yes']);
    expect(await rowsIn(database)).toBeNull();
  },
);

test('the checksum of a large file does not depend on its line ends', async ({ database }) => {
  const project = await openProject(pairs({ '0001_big': [makesTable + inserts, 'DROP TABLE t;\n'] }), database);
  await project.done(['up']);

  await project.write({ '0001_big.up.sql': (makesTable + inserts).replaceAll('\n', '\r\n') });

  expect((await project.done(['status', '--json'])).json()).toMatchObject({
    result: { migrations: [{ state: 'applied' }] },
  });
});

test('diff of a large file that was changed says that its applied text was not kept', async ({ database }) => {
  const project = await openProject(pairs({ '0001_big': [makesTable + inserts, 'DROP TABLE t;\n'] }), database);
  await project.done(['up']);
  await appendFile(join(project.migrations, '0001_big.up.sql'), 'SELECT 1;\n');

  const run = await project.cli(['diff', '1', '--json']);

  expect(run.json()).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
  expect(run.json().error?.message).toContain('was not kept');
});

test('an error far behind the beginning of a large file is shown at its line and column, and nothing remains', async ({
  database,
}) => {
  const lines = (makesTable + inserts).split('\n').length;
  const up = `${makesTable}${inserts}SELECT 'é€𝄞', nope;\n${inserts}`;
  const project = await openProject(pairs({ '0001_big': [up, 'SELECT 1;\n'], '0002_next': table('next') }), database);

  const run = await project.cli(['up', '--json']);

  expect(run.json()).toMatchObject({ exitCode: 5, error: { code: 'migration-failed', line: lines, column: 15 } });
  expect([await rowsIn(database), await rowsIn(database, 'next')]).toEqual([null, null]);
});

test('an error without a position is shown at its statement, and the parts sent behind it did not run', async ({
  database,
}) => {
  const lines = (makesTable + inserts).split('\n').length;
  const up = `${makesTable}${inserts}INSERT INTO t VALUES (1, 'twice');\n${inserts.replaceAll('INTO t', 'INTO other')}`;
  const project = await openProject(pairs({ '0001_big': [up, 'SELECT 1;\n'] }), database);

  const run = await project.cli(['up', '--json']);

  expect(run.json()).toMatchObject({ exitCode: 5, error: { sqlstate: '23505', line: lines } });
  expect(await rowsIn(database)).toBeNull();
});

test('settings and role of the first part hold for those behind it, and do not reach the ledger or the next file', async ({
  database,
}) => {
  const up = `${makesTable}GRANT ALL ON t TO pg_read_all_data;\nSET client_encoding = 'LATIN1';\nSET ROLE pg_read_all_data;\nSET search_path = '';\n${inserts.replaceAll('INTO t', 'INTO public.t')}CREATE TEMP TABLE who AS SELECT current_user AS name, pg_catalog.current_setting('search_path') AS path;\nRESET ROLE;\nCREATE TABLE public.seen AS TABLE who;\n`;
  const project = await openProject(pairs({ '0001_big': [up, 'SELECT 1;\n'], '0002_next': table('next') }), database);

  await project.done(['up']);

  expect(await rowsIn(database)).toEqual(complete);
  expect(await database.admin('SELECT * FROM seen')).toEqual([{ name: 'pg_read_all_data', path: '""' }]);
});

test('a large file that is changed while it is sent is rolled back, and the next up applies what it has become', async ({
  database,
}) => {
  await database.admin('CREATE TABLE gate (open bool)');
  const project = await openProject(
    pairs({ '0001_big': [makesTable + waitsAtGate + inserts, 'DROP TABLE t;\n'] }),
    database,
  );
  const file = join(project.migrations, '0001_big.up.sql');

  const run = await upWith(database, project, async () => {
    await writeFile(file, makesTable + waitsAtGate + inserts.replaceAll('row', 'ROW'));
  });

  expect(run.json()).toMatchObject({ exitCode: 5, error: { code: 'migration-failed' } });
  expect(run.json().error?.message).toContain('was changed while it was being read');
  expect(await rowsIn(database)).toBeNull();
  await project.done(['up', '--yes']);
  expect(await database.admin('SELECT DISTINCT substr(note, 5, 3) AS word FROM t')).toEqual([{ word: 'ROW' }]);
});

test('a signal in the middle of a large file rolls it back, and the next up completes', async ({ database }) => {
  await database.admin('CREATE TABLE gate (open bool)');
  const waits = 'DO $$ BEGIN IF (SELECT count(*) FROM gate) = 0 THEN PERFORM pg_sleep(60); END IF; END $$;\n';
  const project = await openProject(
    pairs({ '0001_big': [makesTable + inserts + waits + copies.replaceAll('COPY t', 'COPY u'), 'DROP TABLE t;\n'] }),
    database,
  );
  await database.admin('CREATE TABLE u (id int, note text)');
  const controller = new AbortController();

  const running = project.cli(['up', '--json'], { signal: controller.signal });
  await until('the file sleeps', async () => {
    const asked = await database.admin(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
    );
    return asked.length > 0;
  });
  controller.abort(new PulseError('interrupted', 'interrupted by the test', { exitCode: 130 }));

  expect((await running).exitCode).toBe(130);
  expect(await rowsIn(database)).toBeNull();
  await database.admin('INSERT INTO gate VALUES (true)');
  await project.done(['up', '--yes']);
  expect([await rowsIn(database), await rowsIn(database, 'u')]).toEqual([complete, complete]);
});

test('COPY data that the server refuses in their middle are rolled back, with the line that is wrong', async ({
  database,
}) => {
  const broken = copies.replace('\n15000\t', '\nno number\t');
  const project = await openProject(pairs({ '0001_big': [makesTable + broken, 'SELECT 1;\n'] }), database);

  const run = await project.cli(['up', '--json']);

  expect(run.json()).toMatchObject({
    exitCode: 5,
    error: { sqlstate: '22P02', line: 2, context: expect.stringContaining('COPY t, line 15000') },
  });
  expect(await rowsIn(database)).toBeNull();
});

test('a large file without a transaction goes on where it stopped, its COPY data included', async ({ database }) => {
  const head = '-- pulse: no-transaction\n';
  const up = `${head}${makesTable}${copies}SELECT 1 / (SELECT count(*) FROM gate);\n${inserts.replaceAll('INTO t', 'INTO u')}`;
  await database.admin('CREATE TABLE gate (open bool); CREATE TABLE u (id int, note text)');
  const project = await openProject(pairs({ '0001_big': [up, 'DROP TABLE t;\n'] }), database);

  const failed = await project.cli(['up', '--json']);
  expect(failed.json()).toMatchObject({ exitCode: 6, error: { code: 'migration-partial', sqlstate: '22012' } });
  expect([await rowsIn(database), await rowsIn(database, 'u')]).toEqual([complete, { count: 0, sum: null }]);

  await database.admin('INSERT INTO gate VALUES (true)');
  await project.done(['up', '--yes']);
  expect([await rowsIn(database), await rowsIn(database, 'u')]).toEqual([complete, complete]);
});

/** A part ends behind the statement that makes it 64 KiB long; each has 500 rows. */
const rowsOfOnePart = 1500;

test('a part that ends the transaction lets none of the parts behind it run', async ({ database }) => {
  const project = await openProject(
    {
      '0001_big.up.sql': `${makesTable}${inserts}ROLLBACK;\nCREATE TABLE t (id int, note text);\n${inserts}${inserts}`,
    },
    database,
  );
  const path = join(project.migrations, '0001_big.up.sql');
  // As it would be if the check that refuses the ROLLBACK had not seen it.
  const parsed = parseLargeFile(path, { path, direction: 'up', allowEmpty: true, transaction: 'strict' });
  if ('problem' in parsed) throw new Error(parsed.problem.message);
  await using session = await openSession(database.url);
  await installLedger(installing(session), { schema: 'pulse_migrate', toolVersion: '0.0.0', waitMs: 0 });
  const step = { version: '0001', file: parsed.file } as Step;
  await session.run('BEGIN');
  const [begun] = await session.rows<{ xid: string }>(raw('SELECT pg_current_xact_id()::text AS xid'));

  const sending = sendParts(runnerDeps(session, database.url), step, begun?.xid ?? '', () => {});

  await expect(sending).rejects.toMatchObject({ code: 'migration-partial' });
  // What stood behind the ROLLBACK in its own part is there, and that is what is said.
  expect((await rowsIn(database))?.count ?? 0).toBeLessThanOrEqual(rowsOfOnePart);
});

test('a large file without a transaction that is changed part of the way is recorded as stopped there, and says how far it came', async ({
  database,
}) => {
  await database.admin('CREATE TABLE gate (open bool)');
  const up = `-- pulse: no-transaction\n${makesTable}${waitsAtGate}${inserts}`;
  const project = await openProject(pairs({ '0001_big': [up, 'DROP TABLE t;\n'] }), database);

  const run = await upWith(database, project, () => appendFile(join(project.migrations, '0001_big.up.sql'), '-- x\n'));

  expect(run.json()).toMatchObject({ exitCode: 6, error: { code: 'migration-partial' } });
  expect(run.json().error?.now?.join()).toMatch(/\d+ of \d+ statements are done/);
  expect(await database.admin('SELECT outcome FROM pulse_migrate.ledger')).toEqual([{ outcome: 'failed' }]);
  await project.done(['up', '--yes']);
  expect(await rowsIn(database)).toEqual(complete);
});

test('what the server says of a large file is told also where the file was touched since', async ({ database }) => {
  await database.admin('CREATE TABLE gate (open bool)');
  const project = await openProject(
    pairs({ '0001_big': [`${makesTable}${inserts}${waitsAtGate}SELECT nope;\n`, 'SELECT 1;\n'] }),
    database,
  );

  const run = await upWith(database, project, () => utimes(join(project.migrations, '0001_big.up.sql'), 1, 1));

  expect(run.json()).toMatchObject({ exitCode: 5, error: { code: 'migration-failed', sqlstate: '42703' } });
  expect(await rowsIn(database)).toBeNull();
});

test('an error is shown at its place behind a BEGIN that is left out and has characters of several bytes', async ({
  database,
}) => {
  const up = `BEGIN /* ${'é𝄞'.repeat(40)} */ TRANSACTION;\n${makesTable}SELECT nope;\n${inserts}COMMIT;\n`;
  const project = await openProject(pairs({ '0001_big': [up, 'SELECT 1;\n'] }), database);

  const run = await project.cli(['up', '--json']);

  expect(run.json()).toMatchObject({ exitCode: 5, error: { sqlstate: '42703', line: 3, column: 8 } });
});

test('a large down undoes its migration, also where the up was changed, and is asked for where it is gone', async ({
  database,
}) => {
  const down = `${inserts.replaceAll('INTO t', 'INTO undone')}DROP TABLE t;\n`;
  await database.admin('CREATE TABLE undone (id int, note text)');
  const project = await openProject(pairs({ '0001_big': [makesTable, down] }), database);
  await project.done(['up', '--yes']);
  expect((await project.done(['diff', '1', '--json'])).json()).toMatchObject({ result: { patches: [] } });
  await project.remove('0001_big.down.sql', '0001_big.up.sql');

  const gone = await project.cli(['down', '--i-know', '--yes', '--json'], { env: {} });
  await project.write(pairs({ '0001_big': [`${makesTable}-- changed\n`, down] }));
  await project.done(['down', '--i-know', '--yes']);

  expect(gone.json()).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
  expect(gone.json().error?.message).toContain('was not kept');
  expect([await rowsIn(database), await rowsIn(database, 'undone')]).toEqual([null, complete]);
});

test('while its first statement waits no more than a million characters of a large file are on their way', async ({
  database,
}) => {
  const project = await openProject(
    { '0001_big.up.sql': `SELECT pg_advisory_xact_lock(1);\n${makesTable}${inserts}` },
    database,
  );
  const path = join(project.migrations, '0001_big.up.sql');
  const parsed = parseLargeFile(path, { path, direction: 'up', allowEmpty: true, transaction: 'strict' });
  if ('problem' in parsed) throw new Error(parsed.problem.message);
  await using holder = await openSession(database.url);
  await holder.run('SELECT pg_advisory_lock(1)');
  await using session = await openSession(database.url);
  await session.run('BEGIN');
  const [begun] = await session.rows<{ xid: string }>(raw('SELECT pg_current_xact_id()::text AS xid'));
  let sent = 0;
  const counted = {
    ...session,
    run: (text: string) => {
      sent += text.length;
      return session.run(text);
    },
  };
  const step = { version: '0001', file: parsed.file } as Step;

  const sending = sendParts(runnerDeps(counted, database.url), step, begun?.xid ?? '', () => {});
  await until('the first part waits', async () => {
    const waiting = await database.admin(`SELECT FROM pg_locks WHERE pid = ${session.backendPid} AND NOT granted`);
    return waiting.length > 0;
  });

  expect(sent).toBeLessThan(1_300_000);
  await holder.run('SELECT pg_advisory_unlock(1)');
  await sending;
  expect(sent).toBeGreaterThan(2_000_000);
});

describe.skipIf(!pgbouncerIsHere)('through PgBouncer', () => {
  test('a large file is applied in transaction pooling, and one that fails is rolled back', async ({ database }) => {
    const url = await startPgbouncer(database.url, 'transaction', 1);
    const project = await openProject(
      pairs({
        '0001_big': [makesTable + inserts, 'DROP TABLE t;\n'],
        '0002_bad': [`${copies.replaceAll('COPY t', 'COPY u')}SELECT nope;\n`, 'SELECT 1;\n'],
      }),
      { url },
    );
    await database.admin('CREATE TABLE u (id int, note text)');

    const run = await project.cli(['up', '--json']);

    expect(run.json()).toMatchObject({
      exitCode: 5,
      error: { sqlstate: '42703' },
      result: { applied: [{ version: '0001' }] },
    });
    expect([await rowsIn(database), await rowsIn(database, 'u')]).toEqual([complete, { count: 0, sum: null }]);
  });
});

test('a large file whose time of change was set back is still known as changed while it is sent', async ({
  database,
}) => {
  await database.admin('CREATE TABLE gate (open bool)');
  const project = await openProject(
    pairs({ '0001_big': [makesTable + waitsAtGate + inserts, 'DROP TABLE t;\n'] }),
    database,
  );
  const file = join(project.migrations, '0001_big.up.sql');
  await utimes(file, 1, 1);

  const run = await upWith(database, project, async () => {
    await writeFile(file, makesTable + waitsAtGate + inserts.replaceAll('row', 'ROW'));
    await utimes(file, 1, 1);
  });

  expect(run.json()).toMatchObject({ exitCode: 5, error: { code: 'migration-failed' } });
  expect(await rowsIn(database)).toBeNull();
});
