import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { splitStatements } from '../../../src/migrations/splitter.ts';
import { test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject, pairs } from '../../support/project.ts';
import { catalogOf, stateOf } from '../../support/untouched.ts';
import { hasPsql } from '../psql.ts';

const files = pairs({
  '0001_types': [
    `SET LOCAL search_path = pg_temp;\nCREATE TYPE public.mood AS ENUM ('calm', 'it''s');\nCREATE TABLE public.a (id int PRIMARY KEY, m public.mood)`,
    'DROP TABLE a; DROP TYPE mood;',
  ],
  '0002_rows': [
    `BEGIN ISOLATION LEVEL REPEATABLE READ;\nCOPY a FROM stdin;\n1\tcalm\n2\tit's\n\\.\nUPDATE a SET id = id + 10; -- done\nCOMMIT;`,
    'DELETE FROM a;',
  ],
  '0003_index': [
    '-- pulse: no-transaction\nCREATE INDEX CONCURRENTLY a_m ON a (m);\nALTER TYPE mood ADD VALUE $$glad$$ -- last',
    'DROP INDEX a_m;',
  ],
  '0004_function': [
    `-- pulse: lock-timeout 2s\nCREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $f$ BEGIN RETURN ':x;'::text IS NULL; END $f$;\nSET ROLE pg_monitor;`,
    'DROP FUNCTION f();',
  ],
});

/** What the ledger says, without what differs from run to run. */
const recorded = `SELECT version, name, action, outcome, effect, checksum_algorithm, up_checksum, down_checksum, up_sql, down_sql,
  in_transaction, role, actor, tool_version FROM pulse_migrate.ledger ORDER BY id`;

test('the script of --plan writes nothing by itself; run by hand it does what the run does, ledger included', async ({
  database,
  other,
}) => {
  const byHand = await openProject(files, database);
  const byRun = await openProject(files, other);
  const before = await stateOf(database);

  const { stdout: script } = await byHand.done(['up', '--plan']);
  const { result } = (await byHand.done(['up', '--plan', '--json'])).json();
  expect(await stateOf(database)).toEqual(before);
  expect(result['pending']).toHaveLength(4);

  if (hasPsql) {
    const path = join(byHand.directory, 'up.sql');
    await writeFile(path, script);
    await promisify(execFile)('psql', ['-X', '--set', 'ON_ERROR_STOP=1', '--file', path, database.url]);
  } else {
    await runByStatement(database.url, script);
  }
  await byRun.done(['up']);

  expect(await catalogOf(database)).toEqual(await catalogOf(other));
  expect(await database.admin('SELECT * FROM a ORDER BY id')).toEqual(await other.admin('SELECT * FROM a ORDER BY id'));
  const withoutDetails = await database.admin(recorded);
  expect(withoutDetails).toEqual(await other.admin(recorded));
  expect(withoutDetails).toHaveLength(4);
  expect((await byHand.done(['up'])).stdout).toBe('Nothing to do: every migration is applied.\n');

  const { stdout: down } = await byHand.done(['down', '--plan', '--to', '0']);
  await runByStatement(database.url, down);
  expect((await catalogOf(database)).size).toBe(before.catalog.size);
  expect((await byHand.done(['status', '--json'])).json().result).toMatchObject({ applied: 0, pending: 4 });
});

test('the script of a file that stopped part of the way does the rest, and closes what the run had begun', async ({
  database,
}) => {
  const rows = (second: string) =>
    `-- pulse: no-transaction\nSET search_path = aside;\nINSERT INTO a VALUES (1);\n${second};\nINSERT INTO a VALUES (3);\n`;
  const project = await openProject(
    pairs({
      '0001_a': ['CREATE SCHEMA aside;\nCREATE TABLE aside.a (id int);', 'DROP SCHEMA aside CASCADE;'],
      '0002_rows': [rows('INSERT INTO b VALUES (2)'), 'DELETE FROM aside.a;'],
    }),
    database,
  );
  expect((await project.cli(['up'])).exitCode).toBe(6);
  await project.write({ '0002_rows.up.sql': rows('INSERT INTO a VALUES (2)') });

  const { stdout: script } = await project.done(['up', '--plan']);
  await runByStatement(database.url, script);

  expect(await database.admin('SELECT id FROM aside.a ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  expect((await project.done(['status', '--exit-code', '--json'])).json().result).toMatchObject({
    applied: 2,
    pending: 0,
    disagreements: 0,
  });

  await project.write({ '0003_rows.up.sql': rows('SELECT nope'), '0003_rows.down.sql': 'SELECT 1;' });
  await project.cli(['up', '--yes', '--backup-done']);
  await project.write({ '0003_rows.up.sql': rows('SELECT 1').replace('(1)', '(11)') });
  expect((await project.cli(['up', '--plan', '--json'])).json()).toMatchObject({
    exitCode: 7,
    error: { code: 'ledger-mismatch' },
  });
});

test('the script waits for a lock as long as a run does in its last try, or as long as the file says', async ({
  database,
}) => {
  const project = await openProject(
    pairs({
      '0001_a': ['CREATE TABLE a (id int);', 'DROP TABLE a;'],
      '0002_b': ['-- pulse: lock-timeout 2s\nCREATE TABLE b (id int);', 'DROP TABLE b;'],
    }),
    database,
  );
  await project.configure('lockTimeout: 700ms\n');
  const timeouts = (script: string) => script.match(/^SET LOCAL lock_timeout = \d+/gm);

  const up = await project.done(['up', '--plan']);
  await project.done(['up']);
  const down = await project.done(['down', '--plan']);

  expect(timeouts(up.stdout)).toEqual(['SET LOCAL lock_timeout = 700', 'SET LOCAL lock_timeout = 2000']);
  expect(timeouts(down.stdout)).toEqual(['SET LOCAL lock_timeout = 700']);
});

/** As a client without psql would: one statement after another, COPY data by its own protocol. */
async function runByStatement(url: string, script: string): Promise<void> {
  await using session = await openSession(url);
  const { statements, problems } = splitStatements(script);
  expect(problems).toEqual([]);
  for (const { start, end, copyData } of statements) {
    const text = script.slice(start, end);
    await (copyData === null ? session.run(text) : session.copyIn(text, script.slice(copyData.start, copyData.end)));
  }
}

test("a PASSWORD clause of the user's own file stands in the script as it is, and reaches no message", async ({
  database,
}) => {
  const project = await openProject(
    pairs({ '0001_role': ["ALTER ROLE nobody_here PASSWORD 'canary''s word';", 'SELECT 1;'] }),
    database,
  );

  const plan = await project.cli(['up', '--plan']);
  const run = await project.cli(['up', '--json']);

  expect(plan.stdout).toContain("\nALTER ROLE nobody_here PASSWORD 'canary''s word';\n");
  expect(plan.stdout).toContain("'ALTER ROLE nobody_here PASSWORD ''canary''''s word'';'");
  expect(run.exitCode).toBe(5);
  expect(run.stdout + run.stderr).not.toContain('canary');
});
