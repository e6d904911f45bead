import { expect } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import type { Session } from '../../../src/postgres/session.ts';
import { raw } from '../../../src/postgres/sql.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject, type Project } from '../../support/project.ts';
import {
  before,
  failing,
  failingAt,
  files,
  type Kind,
  messages,
  numbers,
  runTwenty,
  stateOf,
  versionOf,
} from '../../support/twenty-files.ts';
import { until } from '../../support/until.ts';

/** Nothing behind the failure has happened, and the next `up`, with the file corrected, does all that is left. */
async function expectStopped(database: TestDatabase, project: Project): Promise<void> {
  expect(await stateOf(database)).toEqual({ recorded: before, there: before });
  await project.write(files());
  await project.done(['up']);
  expect(await stateOf(database)).toEqual({ recorded: numbers, there: numbers });
}

const failures = [
  ['an error while it runs', 'CREATE TABLE t10 (id int);\nSELECT 1 / 0;\n'],
  ['an error of syntax', 'CREATE TABLE t10 (id int);\nSELEC 1;\n'],
  [
    'a COMMIT in a procedure',
    'CREATE PROCEDURE ends() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;\nCREATE TABLE t10 (id int);\nCALL ends();\n',
  ],
  [
    'a row that breaks a deferred constraint at the COMMIT',
    'CREATE TABLE t10 (id int PRIMARY KEY, up int REFERENCES t10 DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO t10 VALUES (1, 2);\n',
  ],
] as const;

test.for(failures)(
  '%s in the tenth of twenty files that were sent ahead lets nothing behind it run',
  async ([, tenth], { database }) => {
    const project = await openProject(files(tenth), database);

    const run = await project.cli(['up', '--json']);

    expect(run.json()).toMatchObject({ exitCode: 5, error: { file: expect.stringContaining('0010_t10.up.sql') } });
    await expectStopped(database, project);
  },
);

test('a function in the tenth of twenty files that has deferred constraints checked at once keeps nothing behind it from being applied', async ({
  database,
}) => {
  const tenth =
    "CREATE TABLE t10 (id int);\nDO $$ BEGIN EXECUTE concat('SET CONSTR', 'AINTS ALL IMM', 'EDIATE'); END $$;\n";
  const project = await openProject(files(tenth), database);

  await project.done(['up']);

  expect(await stateOf(database)).toEqual({ recorded: numbers, there: numbers });
});

test('a signal during the tenth of twenty files that were sent ahead lets nothing behind it run', async ({
  database,
}) => {
  const project = await openProject(files('CREATE TABLE t10 (id int);\nSELECT pg_sleep(60);\n'), database);
  const controller = new AbortController();
  const running = project.cli(['up'], { signal: controller.signal });
  await until('the tenth file sleeps', async () => {
    const rows = await database.admin(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
    );
    return rows.length > 0;
  });

  controller.abort(new PulseError('interrupted', 'interrupted by SIGINT'));

  expect((await running).exitCode).toBe(130);
  await expectStopped(database, project);
});

test('a lock that the tenth of twenty files sent ahead gets only in a later try keeps none of those behind it away', async ({
  database,
}) => {
  await database.admin('CREATE TABLE held ()');
  await using holder = await openSession(database.url);
  await holder.run('BEGIN; LOCK TABLE held');
  const project = await openProject(files('LOCK TABLE held;\nCREATE TABLE t10 (id int);\n'), database);

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

const kinds = Object.keys(messages) as readonly Kind[];

test.for(kinds)(
  'a cancel request that hits %s of the tenth of twenty files lets neither it nor anything behind it run',
  async (kind, { database }) => {
    const project = await openProject(files(), database);

    const running = runTwenty(database, { bent: (session) => failingAt(kind, failing, session) });

    await expect(running).rejects.toThrow('cancelled');
    await expectStopped(database, project);
  },
);

test('a file that the server has committed is done, although a message of ours in front of it failed', async ({
  database,
}) => {
  const done = await runTwenty(database, { bent: (session) => failingAt('what makes the session fresh', 1, session) });

  expect(done).toHaveLength(20);
  expect(await stateOf(database)).toEqual({ recorded: numbers, there: numbers });
});

const ends = [
  ['COMMIT', 'SELECT 1 / 0', []],
  ['COMMIT', 'CREATE TABLE behind ()', []],
  ['ROLLBACK', 'SELECT 1 / 0', []],
  ['ROLLBACK', 'CREATE TABLE behind ()', [{ relname: 'behind' }]],
] as const;

test.for(ends)(
  'a %s that the splitter does not see, and %s behind it, in the tenth of twenty files lets nothing behind the file run',
  async ([end, more, left], { database }) => {
    const project = await openProject(files(), database);

    const running = runTwenty(database, { unseen: `CREATE TABLE t10 (id int);\n${end};\n${more};\n` });

    await expect(running).rejects.toBeInstanceOf(PulseError);
    expect(await database.admin("SELECT relname FROM pg_class WHERE relname = 'behind'")).toEqual(left);
    await expectStopped(database, project);
  },
);

test('files sent ahead that were committed before the connection was lost are not run a second time', async ({
  database,
}) => {
  const lost = new PulseError('connection-lost', 'the connection was lost');
  const bent = (session: Session): Session => {
    let commits = 0;
    return {
      ...session,
      rows: async <Row extends object>(statement: { readonly text: string }) => {
        const isSecond = messages['the ledger row and the COMMIT'].test(statement.text) && ++commits === 2;
        const answer = await session.rows<Row>(raw(statement.text));
        if (!isSecond) return answer;
        await until('all of them are recorded', async () => (await stateOf(database)).recorded.length === 20);
        session.abandon(lost);
        throw lost;
      },
    };
  };

  const done = await runTwenty(database, { bent });

  expect(done.map(({ version }) => version)).toEqual(numbers.map(versionOf));
  expect(await stateOf(database)).toEqual({ recorded: numbers, there: numbers });
});
