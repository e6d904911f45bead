import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import { installLedger } from '../../../src/ledger/install.ts';
import { readLedger } from '../../../src/ledger/read.ts';
import { parseRecordedFile } from '../../../src/migrations/parse-file.ts';
import type { Session } from '../../../src/postgres/session.ts';
import { raw } from '../../../src/postgres/sql.ts';
import { takeLease } from '../../../src/runner/lease.ts';
import { runSteps } from '../../../src/runner/run.ts';
import type { Done, Step } from '../../../src/runner/step.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { installing } from '../../support/installing.ts';
import { openSession } from '../../support/open-session.ts';
import { type Files, openProject, type Project, pairs, table } from '../../support/project.ts';
import { runnerDeps } from '../../support/runner-deps.ts';
import { until } from '../../support/until.ts';

const schema = 'pulse_migrate';
const numbers = Array.from({ length: 20 }, (_, index) => index + 1);
const versionOf = (number: number) => String(number).padStart(4, '0');
const failing = 10;
const before = numbers.filter((number) => number < failing);

/** Twenty small files, each of which makes the table of its number, all but one perhaps. */
function files(tenth: string | null = null): Files {
  const pairOf = (number: number) =>
    number === failing && tenth !== null ? ([tenth, 'SELECT 1;\n'] as const) : table(`t${number}`);
  return pairs(Object.fromEntries(numbers.map((number) => [`${versionOf(number)}_t${number}`, pairOf(number)])));
}

/** What is recorded and what is there, by number. */
async function stateOf(database: TestDatabase) {
  const rows = await database.admin<{ number: number }>(
    "SELECT number::int AS number FROM pulse_migrate.ledger WHERE outcome = 'done' ORDER BY id",
  );
  const tables = await database.admin<{ number: number }>(
    "SELECT substr(relname, 2)::int AS number FROM pg_class WHERE relkind = 'r' AND relname ~ '^t[0-9]+$' ORDER BY 1",
  );
  return { recorded: rows.map(({ number }) => number), there: tables.map(({ number }) => number) };
}

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

function stepOf(number: number, unseen: string | null): Step {
  const [up, down] = table(`t${number}`);
  const path = `migrations/${versionOf(number)}_t${number}`;
  const file = parseRecordedFile(`${path}.up.sql`, up);
  return {
    version: versionOf(number),
    number: BigInt(number),
    name: `t${number}`,
    direction: 'up',
    // It holds more than its reader has seen, as it would if the splitter were wrong.
    file: number === failing && unseen !== null ? { ...file, text: unseen } : file,
    upChecksum: file.checksum,
    downChecksum: parseRecordedFile(`${path}.down.sql`, down).checksum,
    upSql: up,
    downSql: down,
    details: {},
  };
}

/** Runs the twenty files in a session that is not quite the server's. */
async function runTwenty(
  database: TestDatabase,
  { unseen = null, bent = (session) => session }: { unseen?: string | null; bent?: (session: Session) => Session } = {},
): Promise<Done[]> {
  const session = await openSession(database.url);
  await installLedger(installing(session), { schema, toolVersion: '0.0.0', waitMs: 0 });
  const deps = runnerDeps(bent(session), database.url);
  const lease = await takeLease(deps, { schema, token: randomUUID(), actor: deps.actor, waitMs: 0 });
  const ledger = await readLedger(session, schema);
  try {
    const steps = numbers.map((number) => stepOf(number, unseen));
    return await runSteps(deps, { lease, ledger, confirmed: new Map() }, { timeoutMs: 1000, retries: 3 }, steps);
  } finally {
    await lease.release();
  }
}

/** The messages that a file is sent as, each by what it alone holds. */
const messages = {
  'what makes the session fresh': /^(DISCARD ALL$|CLOSE ALL;)/,
  'the BEGIN and the guard': /^BEGIN\b.*EXECUTE pulse_migrate_open/s,
  'the file itself': /^EXECUTE pulse_migrate_inside .*\nCREATE TABLE t\d+ \(id int\)/s,
  'the look at what it left': /EXECUTE pulse_migrate_look/,
  'the ledger row and the COMMIT': /EXECUTE pulse_migrate_close.*COMMIT$/s,
} as const;

type Kind = keyof typeof messages;

/** A session in which the message of that kind, of the file of that number, fails as if a cancel request had hit it. */
function failingAt(kind: Kind, number: number, session: Session): Session {
  let met = 0;
  const told = (text: string) => {
    if (messages[kind].test(text)) met += 1;
    else return text;
    return met === number ? "DO $$ BEGIN RAISE 'cancelled' USING ERRCODE = '57014'; END $$" : text;
  };
  return {
    ...session,
    run: (text) => session.run(told(text)),
    rows: (statement) => session.rows(raw(told(statement.text))),
  };
}

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
