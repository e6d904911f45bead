import { expect } from 'vitest';
import type { Session } from '../../../src/postgres/session.ts';
import { raw } from '../../../src/postgres/sql.ts';
import { test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject, pairs } from '../../support/project.ts';
import {
  before,
  failing,
  failingAt,
  files,
  messages,
  numbers,
  runTwenty,
  stateOf,
} from '../../support/twenty-files.ts';
import { until } from '../../support/until.ts';

const statements = [
  ['takes all prepared statements away, those of the run too,', 'DEALLOCATE ALL;'],
  ['leaves a prepared statement', 'PREPARE left_over AS SELECT 1;'],
  ['takes all prepared statements away in a function', "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$;"],
] as const;

test.for(statements)(
  'a file that %s is applied once, and so are those sent behind it',
  async ([, more], { database }) => {
    const project = await openProject(
      {
        ...files(),
        '0010_t10.up.sql': `CREATE TABLE t10 (id int);\n${more}\n`,
        // Fails where it is there already.
        '0011_t11.up.sql': 'CREATE TABLE t11 (id int);\nPREPARE left_over AS SELECT 1;\n',
      },
      database,
    );

    await project.done(['up', '--yes']);

    expect(await stateOf(database)).toEqual({ recorded: numbers, there: numbers });
  },
);

test('a file that leaves a prepared statement and gets its lock only in a later try is applied, and so are those behind it', async ({
  database,
}) => {
  await database.admin('CREATE TABLE held ()');
  await using holder = await openSession(database.url);
  await holder.run('BEGIN; LOCK TABLE held');
  const tenth = 'PREPARE left_over AS SELECT 1;\nLOCK TABLE held;\nCREATE TABLE t10 (id int);\n';
  const project = await openProject(files(tenth), database);

  const running = project.cli(['up', '--yes', '--lock-timeout', '100ms', '--lock-retries', '1000']);
  await until('those before it are recorded', async () => {
    const { recorded } = await stateOf(database).catch(() => ({ recorded: [] }));
    return recorded.length === before.length;
  });
  await holder.rows(raw('SELECT pg_sleep(0.5)'));
  await holder.run('COMMIT');

  expect(await running).toMatchObject({ exitCode: 0 });
  expect(await stateOf(database)).toEqual({ recorded: numbers, there: numbers });
});

test('a statement that a deferred trigger prepares at the COMMIT keeps none of the files behind it away', async ({
  database,
}) => {
  const tenth = `CREATE TABLE t10 (id int);
CREATE FUNCTION prepares() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'PREPARE left_over AS SELECT 1'; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER prepares AFTER INSERT ON t10 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION prepares();
INSERT INTO t10 VALUES (1);
`;
  const project = await openProject(files(tenth), database);

  await project.done(['up', '--yes']);

  expect(await stateOf(database)).toEqual({ recorded: numbers, there: numbers });
});

/** Gives 1/3 in as many digits as the setting says, and the one row of `known`: PostgreSQL folds both into its plan. */
const keepsPlans = `CREATE FUNCTION lookup() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN (SELECT id FROM known); END';
CREATE FUNCTION seen() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (1.0::float8 / 3)::text || lookup(); END';
`;
const known = 'CREATE TABLE known (id int);\nINSERT INTO known VALUES (1);\nCREATE TABLE witness (seen text);\n';
const asksOften = {
  '0002_asks': ['SET extra_float_digits = -13;\nINSERT INTO witness SELECT seen();', 'SELECT 1'],
  '0003_asks': ['SET extra_float_digits = -13;\nINSERT INTO witness SELECT seen();', 'SELECT 1'],
  '0004_changes': ['UPDATE known SET id = 2', 'SELECT 1'],
  '0005_asks': ['INSERT INTO witness SELECT seen();', 'SELECT 1'],
} as const;

test.for([
  ['the first of the files has made', false],
  ['is there already', true],
] as const)('the plans of a function that %s reach no other file', async ([, isThere], { database }) => {
  if (isThere) await database.admin(known + keepsPlans);
  const first = isThere ? 'SELECT 1' : known + keepsPlans;
  const project = await openProject(pairs({ '0001_first': [first, 'SELECT 1'], ...asksOften }), database);

  await project.done(['up', '--yes']);

  expect(await database.admin('SELECT seen FROM witness')).toEqual([
    { seen: '0.331' },
    { seen: '0.331' },
    { seen: '0.33333333333333332' },
  ]);
});

test('a statement_timeout of the database ends neither the look at a file nor what makes the session fresh', async ({
  database,
}) => {
  await database.admin(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET statement_timeout = '500ms'`);
  const longer = (text: string) =>
    text
      .replace(/(?=EXECUTE pulse_migrate_look)/, 'SELECT pg_sleep(1);')
      .replace(/(?=UNLISTEN \*)/, 'SELECT pg_sleep(1);');
  let slowed = 0;
  const bent = (session: Session): Session => {
    const told = (text: string) => {
      const changed = longer(text);
      if (changed === text || slowed >= 4) return text;
      slowed += 1;
      return changed;
    };
    return {
      ...session,
      run: (text) => session.run(told(text)),
      rows: (statement) => session.rows(raw(told(statement.text))),
    };
  };

  expect(await runTwenty(database, { bent })).toHaveLength(20);
  expect(slowed).toBe(4);
});

test('the session of twenty small files is made fresh by DISCARD ALL once, and by its parts after that', async ({
  database,
}) => {
  const sent: string[] = [];
  const bent = (session: Session): Session => ({
    ...session,
    run: (text) => {
      sent.push(text);
      return session.run(text);
    },
  });

  await runTwenty(database, { bent });

  expect(sent.filter((text) => text === 'DISCARD ALL')).toHaveLength(1);
  expect(sent.filter((text) => /^CLOSE ALL;.*DISCARD TEMP;/s.test(text))).toHaveLength(19);
});

test('a cancel request that hits the DISCARD ALL behind a file with COPY data lets nothing behind that file run', async ({
  database,
}) => {
  const running = runTwenty(database, {
    ninth: 'CREATE TABLE t9 (id int);\nCOPY t9 FROM stdin;\n\\.\n',
    bent: (session) => failingAt('what makes the session fresh', failing, session),
  });

  await expect(running).rejects.toThrow('cancelled');
  expect(await stateOf(database)).toEqual({ recorded: before, there: before });
});

test('the limit for an idle transaction is that of the session, since it goes with the settings of a transaction that fails', async ({
  database,
}) => {
  const limits: string[] = [];
  const bent = (session: Session): Session => ({
    ...session,
    rows: (statement) => {
      if (messages['the BEGIN and the guard'].test(statement.text)) {
        void session
          .rows<{ limit: string }>(raw(`SELECT current_setting('idle_in_transaction_session_timeout') AS limit`))
          .then(([row]) => limits.push(row?.limit ?? ''));
      }
      return session.rows(statement);
    },
  });

  await runTwenty(database, { bent });

  expect(limits).toEqual(numbers.map(() => '15s'));
});
