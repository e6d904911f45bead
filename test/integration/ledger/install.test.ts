import { expect } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import type { ProgressEvent } from '../../../src/events.ts';
import { installLedger } from '../../../src/ledger/install.ts';
import { layoutVersion } from '../../../src/ledger/layout.ts';
import { readLedger } from '../../../src/ledger/read.ts';
import { test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { stateOf } from '../../support/untouched.ts';

/** Another installer, at work until its transaction ends. */
async function otherInstaller(url: string) {
  const session = await openSession(url);
  await session.run('BEGIN; SELECT pg_advisory_xact_lock(5871103244912)');
  return { pid: session.backendPid, end: () => session.run('ROLLBACK') };
}

/** A clock that moves only while somebody sleeps. */
function sleepingClock(onSleep: () => Promise<void> = async () => undefined) {
  let time = 0;
  return {
    now: () => new Date(time),
    sleep: async (milliseconds: number) => {
      time += milliseconds;
      await onSleep();
    },
  };
}

const wanted = { schema: 'pulse_migrate', toolVersion: '0.0.0', waitMs: 500 };

test('an installation waits for another as long as it may, tells who that is, and then gives up', async ({
  database,
}) => {
  const other = await otherInstaller(database.url);
  const session = await openSession(database.url);
  const events: ProgressEvent[] = [];

  const outcome = installLedger({ session, emit: (event) => events.push(event), ...sleepingClock() }, wanted);

  const failure = await outcome.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(PulseError);
  expect(failure).toMatchObject({ code: 'lock-not-obtained', message: expect.stringContaining(`pid ${other.pid}`) });
  expect((failure as PulseError).hint).toContain('--lock-wait');
  expect(events).toEqual(
    [0, 200, 400].map((waitedMs) => ({
      type: 'lease-waiting',
      holder: expect.stringContaining(`pid ${other.pid}`),
      waitedMs,
      limitMs: 500,
    })),
  );
  expect((await readLedger(session, 'pulse_migrate')).layout).toBe(0);
});

test('an installation goes on as soon as the other one has ended', async ({ database }) => {
  const other = await otherInstaller(database.url);
  const session = await openSession(database.url);

  await installLedger({ session, emit: () => undefined, ...sleepingClock(other.end) }, wanted);

  expect((await readLedger(session, 'pulse_migrate')).layout).toBe(layoutVersion);
});

const taken: readonly (readonly [name: string, statement: string])[] = [
  ['ledger', 'CREATE TABLE ledger (amount int)'],
  ['layout', 'CREATE TABLE layout (page int)'],
  ['layout', 'CREATE TABLE layout (version json, tool_version text)'],
  ['applied', 'CREATE VIEW applied AS SELECT 1 AS one'],
  ['guard', "CREATE TYPE guard AS ENUM ('asleep')"],
];

test.for(taken)(
  'a %s of the user\'s own ("%s") in the schema for the ledger is told at once and left as it is',
  async ([name, statement], { database }) => {
    await database.admin(statement);
    const project = await openProject(pairs({ '0001_a': table('a') }), database);
    await project.configure('ledgerSchema: public\n');
    const before = await stateOf(database);

    const status = await project.done(['status', '--json']);
    const up = (await project.cli(['up', '--json'])).json();

    expect(status.json().result).toMatchObject({ applied: 0, pending: 1 });
    expect(up).toMatchObject({ exitCode: 2, error: { code: 'not-possible' } });
    expect(up.error?.message).toContain(`schema public holds a relation named ${name}`);
    expect(up.error?.hint).toContain('ledgerSchema');
    expect(await stateOf(database)).toEqual(before);
  },
);
