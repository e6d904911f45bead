import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { catalogOf, stateOf } from '../../support/untouched.ts';

interface UpResult {
  readonly applied: readonly { readonly version: string; readonly name: string; readonly durationMs: number }[];
  readonly pending: readonly { readonly version: string; readonly name: string; readonly durationMs: null }[];
}

test('up applies everything in order, each with a row that holds what ran, when, and by whom', async ({ database }) => {
  const project = await openProject(
    pairs({
      '0001_first': [
        'CREATE TABLE steps (id int, at xid8 DEFAULT pg_current_xact_id());\nINSERT INTO steps VALUES (1);',
        'DROP TABLE steps;',
      ],
      '0002_second': ['INSERT INTO steps VALUES (2);', 'DELETE FROM steps WHERE id = 2;'],
      '0010_third': ['INSERT INTO steps VALUES (10);\n', 'DELETE FROM steps WHERE id = 10;\n'],
    }),
    database,
  );

  const run = await project.cli(['up', '--yes'], { env: { CI_JOB_ID: 'job 7', CI_COMMIT_SHA: 'abc123' } });

  expect(run.exitCode).toBe(0);
  expect(run.stdout).toMatch(
    /^✔ applied {2}0001_first .*\n✔ applied {2}0002_second .*\n✔ applied {2}0010_third .*\n3 migrations applied; nothing is pending\.\n$/,
  );
  const steps = await database.admin<{ id: number; at: string }>('SELECT * FROM steps ORDER BY at');
  expect(steps.map(({ id }) => id)).toEqual([1, 2, 10]);
  expect(new Set(steps.map(({ at }) => at)).size).toBe(3);
  const rows = await database.admin('SELECT * FROM pulse_migrate.ledger ORDER BY id');
  expect(rows).toHaveLength(3);
  expect(rows[2]).toMatchObject({
    version: '0010',
    number: '10',
    name: 'third',
    action: 'up',
    outcome: 'done',
    effect: 'applied',
    checksum_algorithm: 'sha256-lf',
    up_checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
    down_checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
    up_sql: 'INSERT INTO steps VALUES (10);\n',
    down_sql: 'DELETE FROM steps WHERE id = 10;\n',
    in_transaction: true,
    role: new URL(database.url).username,
    actor: { osUser: 'tester', host: 'test-host', ciJob: 'job 7', gitCommit: 'abc123' },
    details: { backup: { proof: 'none-needed' } },
  });
  for (const row of rows) {
    expect(row['duration_ms']).toBeGreaterThan(0);
    expect(Number(row['finished_at'])).toBeGreaterThanOrEqual(Number(row['started_at']));
    expect(row['server_version']).toMatch(/^\d+/);
    expect(row['tool_version']).toMatch(/^\d+\.\d+\.\d+/);
  }
  expect(await database.admin('SELECT token, backend_pid, holder FROM pulse_migrate.lease')).toEqual([
    { token: null, backend_pid: null, holder: null },
  ]);
  expect(await database.admin('SELECT * FROM pulse_migrate.guard')).toEqual([]);
});

test('a second up says that there is nothing to do and writes nothing', async ({ database }) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  await project.cli(['up']);
  const before = await stateOf(database);

  const shown = await project.cli(['up']);
  const document = (await project.cli(['up', '--json'])).json<UpResult>();

  expect(shown).toMatchObject({ exitCode: 0, stdout: 'Nothing to do: every migration is applied.\n', stderr: '' });
  expect(document).toEqual({
    formatVersion: 1,
    command: 'up',
    ok: true,
    exitCode: 0,
    result: { applied: [], pending: [] },
  });
  expect(await stateOf(database)).toEqual(before);
});

test('--steps and --to stop early, and the result tells what is still pending', async ({ database }) => {
  const project = await openProject(
    pairs({ '0001_a': table('a'), '0002_b': table('b'), '0003_c': table('c'), '0004_d': table('d') }),
    database,
  );

  const steps = (await project.cli(['up', '--steps', '1', '--json'])).json<UpResult>().result;
  const to = (await project.cli(['--json', 'up', '--to', '3'])).json<UpResult>().result;

  expect(steps.applied.map(({ version }) => version)).toEqual(['0001']);
  expect(steps.pending).toEqual([
    { version: '0002', name: 'b', durationMs: null },
    { version: '0003', name: 'c', durationMs: null },
    { version: '0004', name: 'd', durationMs: null },
  ]);
  expect(to.applied.map(({ version }) => version)).toEqual(['0002', '0003']);
  expect(to.pending.map(({ version }) => version)).toEqual(['0004']);
  expect(to.applied.every(({ durationMs }) => durationMs > 0)).toBe(true);
});

test('a failing third migration leaves two applied and nothing of itself, and the next up goes on from there', async ({
  database,
}) => {
  const project = await openProject(
    pairs({
      '0001_a': table('a'),
      '0002_b': table('b'),
      '0003_c': ['CREATE TABLE c (id int);\nINSERT INTO c\n  SELECT nothing FROM a;\n', 'DROP TABLE c;'],
      '0004_d': table('d'),
    }),
    database,
  );

  const shown = await project.cli(['up']);

  expect(shown.exitCode).toBe(5);
  expect(shown.stdout).toMatch(/^✔ applied {2}0001_a .*\n✔ applied {2}0002_b .*\n$/);
  expect(shown.stderr).toContain(
    [
      '✖ migration-failed  migrations/0003_c.up.sql:3:10  column "nothing" does not exist',
      '  3 |   SELECT nothing FROM a;',
      '               ^',
      '  SQLSTATE 42703',
    ].join('\n'),
  );
  expect(shown.stderr).toContain('› correct migrations/0003_c.up.sql and run the command again');
  expect(shown.stderr).not.toMatch(/\n\s+at /);
  expect(await database.admin(`SELECT to_regclass('b') AS b, to_regclass('c') AS c`)).toEqual([{ b: 'b', c: null }]);

  const document = (await project.cli(['up', '--json'])).json<UpResult>();
  expect(document).toMatchObject({
    ok: false,
    exitCode: 5,
    error: { code: 'migration-failed', sqlstate: '42703', file: 'migrations/0003_c.up.sql', line: 3, column: 10 },
  });
  expect(document.result.applied).toEqual([]);
  expect(document.result.pending.map(({ version }) => version)).toEqual(['0003', '0004']);

  await project.write({ '0003_c.up.sql': 'CREATE TABLE c (id int);\n' });
  const next = (await project.cli(['up', '--json'])).json<UpResult>();
  expect(next.result.applied.map(({ version }) => version)).toEqual(['0003', '0004']);
  expect(await database.admin('SELECT version, outcome FROM pulse_migrate.ledger ORDER BY id')).toEqual(
    ['0001', '0002', '0003', '0004'].map((version) => ({ version, outcome: 'done' })),
  );
});

test('what was applied before a failure in the same run is in the result of the failure', async ({ database }) => {
  const project = await openProject(
    pairs({
      '0001_a': ['CREATE TABLE a (id int PRIMARY KEY);', 'DROP TABLE a;'],
      '0002_b': ['INSERT INTO a VALUES (7);\nINSERT INTO a VALUES (7);', 'DELETE FROM a;'],
    }),
    database,
  );

  const document = (await project.cli(['up', '--json'])).json<UpResult>();

  expect(document.error).toMatchObject({
    sqlstate: '23505',
    detail: 'Key (id)=(7) already exists.',
    file: 'migrations/0002_b.up.sql',
  });
  expect(document.result).toEqual({
    applied: [{ version: '0001', name: 'a', durationMs: expect.any(Number) }],
    pending: [{ version: '0002', name: 'b', durationMs: null }],
  });
});

test('a deferred constraint that fails at COMMIT rolls the whole migration back', async ({ database }) => {
  const project = await openProject(
    pairs({
      '0001_a': [
        'CREATE TABLE a (id int PRIMARY KEY, up int REFERENCES a DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO a VALUES (1, 9);',
        'DROP TABLE a;',
      ],
    }),
    database,
  );

  const shown = await project.cli(['up']);

  expect(shown.exitCode).toBe(5);
  expect(shown.stderr).toContain('migrations/0001_a.up.sql');
  expect(shown.stderr).toContain('SQLSTATE 23503');
  expect([...(await catalogOf(database)).keys()].filter((key) => key.startsWith('table'))).toEqual([]);
  expect(await database.admin('SELECT * FROM pulse_migrate.applied')).toEqual([]);
});
