import { expect } from 'vitest';
import { type Cut, startCuttingProxy } from '../../support/cutting-proxy.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { openProject, type Project } from '../../support/project.ts';

/** Each file leaves marks that show when it ran twice or half. */
const files = {
  '0001_a.up.sql': "CREATE TABLE marks (mark text);\nINSERT INTO marks VALUES ('a');\n",
  '0001_a.down.sql': 'DROP TABLE marks;\n',
  '0002_b.up.sql':
    "-- pulse: no-transaction\nINSERT INTO marks VALUES ('b1');\nCREATE INDEX CONCURRENTLY marks_idx ON marks (mark);\nINSERT INTO marks VALUES ('b3');\n",
  '0002_b.down.sql': 'DROP INDEX marks_idx;\n',
  '0003_c.up.sql': "COPY marks FROM stdin;\nc\n\\.\nINSERT INTO marks VALUES ('c2');\n",
  '0003_c.down.sql': "DELETE FROM marks WHERE mark LIKE 'c%';\n",
};
const complete = ['a', 'b1', 'b3', 'c', 'c2'];

/** Runs `up` through a proxy that breaks the connection at one place, then, if need be, again without it. */
async function upWithCut(project: Project, database: TestDatabase, cut: Cut | null) {
  const url = new URL(database.url);
  const proxy = await startCuttingProxy({ host: url.hostname, port: Number(url.port) }, cut);
  try {
    url.port = String(proxy.port);
    const run = await project.cli(['up', '--json', '--yes'], {
      env: { DATABASE_URL: url.href, PGSSLMODE: 'disable', PGCONNECT_TIMEOUT: '3' },
    });
    return { run: run.json<{ applied?: unknown[] }>(), passed: proxy.passed, cut: proxy.cut };
  } finally {
    await proxy.close();
  }
}

async function expectComplete(database: TestDatabase, place: string) {
  const marks = await database.admin<{ mark: string }>('SELECT mark FROM marks ORDER BY mark');
  expect(
    marks.map(({ mark }) => mark),
    place,
  ).toEqual(complete);
  expect(await database.admin('SELECT version FROM pulse_migrate.applied ORDER BY number'), place).toEqual([
    { version: '0001' },
    { version: '0002' },
    { version: '0003' },
  ]);
  expect(
    await database.admin("SELECT indisvalid FROM pg_index WHERE indexrelid = 'marks_idx'::regclass"),
    place,
  ).toEqual([{ indisvalid: true }]);
  expect(await database.admin('SELECT FROM pulse_migrate.guard'), place).toEqual([]);
}

/** PULSE_TEST_CUT=to-client:17 repeats one place; PULSE_TEST_CUTS=1 tries every place instead of one in so many. */
const [oneSide, oneMessage] = (process.env['PULSE_TEST_CUT'] ?? '').split(':');
const stride = process.env['PULSE_TEST_CUTS'] === undefined ? 19 : Number(process.env['PULSE_TEST_CUTS']);

for (const side of ['to-server', 'to-client'] as const) {
  test(`a connection that is cut ${side} at any message leaves nothing half done, and up ends complete`, {
    timeout: 600_000,
  }, async ({ database }) => {
    const project = await openProject(files, database);
    const whole = await upWithCut(project, database, null);
    expect(whole.run, JSON.stringify(whole.run)).toMatchObject({ exitCode: 0 });
    const total = whole.passed[side];
    await expectComplete(database, 'without a cut');
    for (let message = 1 + (side === 'to-client' ? 3 : 0); message <= total; message += stride) {
      if (oneMessage !== undefined && (oneSide !== side || Number(oneMessage) !== message)) continue;
      await database.admin('DROP SCHEMA IF EXISTS pulse_migrate CASCADE; DROP TABLE IF EXISTS marks');
      const place = `PULSE_TEST_CUT=${side}:${message}`;
      const { run } = await upWithCut(project, database, { side, message, mode: 'once' });
      expect([0, 3], `${place} ${JSON.stringify(run)}`).toContain(run.exitCode);
      if (run.exitCode === 0) await expectComplete(database, place);
      const again = await project.cli(['up', '--json', '--yes']);
      expect(again.exitCode, `${place} ${again.stdout}`).toBe(0);
      await expectComplete(database, place);
    }
  });
}

test('a server that stays away is told as such within the time, and the next up completes', {
  timeout: 120_000,
}, async ({ database }) => {
  const project = await openProject(files, database);
  const { run } = await upWithCut(project, database, { side: 'to-server', message: 30, mode: 'dead' });
  expect(run).toMatchObject({ ok: false, exitCode: 3, error: { code: 'connection-lost' } });
  const again = await project.cli(['up', '--json', '--yes']);
  expect(again.exitCode, again.stdout).toBe(0);
  await expectComplete(database, 'after a dead server');
});

/** Proxies `argv` and breaks the connection at the message to the server that holds `text`. */
async function cutAt(
  project: Project,
  database: TestDatabase,
  argv: readonly string[],
  cut: Omit<Cut, 'message'> & { readonly text: string },
) {
  const url = new URL(database.url);
  const proxy = await startCuttingProxy({ host: url.hostname, port: Number(url.port) }, { ...cut, message: 0 });
  try {
    url.port = String(proxy.port);
    return await project.cli([...argv, '--json', '--yes'], { env: { DATABASE_URL: url.href, PGSSLMODE: 'disable' } });
  } finally {
    await proxy.close();
  }
}

test('a redo whose down loses the reply to its COMMIT goes on with the up, in the new session', async ({
  database,
}) => {
  const project = await openProject(files, database);
  await project.done(['up', '--steps', '1']);

  const run = await cutAt(project, database, ['redo', '--i-know'], {
    side: 'to-client',
    mode: 'once',
    text: 'COMMIT',
    after: 'INTO "pulse_migrate"."guard"',
  });

  expect(run.json()).toMatchObject({
    ok: true,
    result: { reverted: [{ version: '0001' }], applied: [{ version: '0001' }] },
  });
  expect(await database.admin('SELECT action FROM pulse_migrate.ledger ORDER BY id')).toEqual([
    { action: 'up' },
    { action: 'down' },
    { action: 'up' },
  ]);
});

test('a COMMIT whose reply never comes is told as unknown, neither applied nor pending', { timeout: 120_000 }, async ({
  database,
}) => {
  // With COPY data a file is not sent whole: the next answer behind the COMMIT is that to the COMMIT.
  const copy = { '0001_a.up.sql': 'CREATE TABLE marks (mark text);\nCOPY marks FROM stdin;\na\n\\.\n' };
  const project = await openProject({ ...files, ...copy }, database);

  const run = await cutAt(project, database, ['up', '--steps', '1'], {
    side: 'to-client',
    mode: 'dead',
    text: 'COMMIT',
    after: 'INTO "pulse_migrate"."guard"',
  });

  expect(run.json()).toMatchObject({
    exitCode: 3,
    error: { code: 'connection-lost' },
    result: { applied: [], unknown: [{ version: '0001' }], pending: [{ version: '0002' }, { version: '0003' }] },
  });
  expect(await database.admin('SELECT version FROM pulse_migrate.applied')).toEqual([{ version: '0001' }]);
});
