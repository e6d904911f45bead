import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { type Hold, startHoldingProxy } from '../../support/holding-proxy.ts';
import { openProject, pairs } from '../../support/project.ts';

const indexUp = '-- pulse: no-transaction\nCREATE INDEX CONCURRENTLY a_idx ON a (id);\n';

interface Moment {
  readonly before: string;
  readonly up: string;
  readonly hold: Omit<Hold, 'meanwhile'>;
}

/** Each is the last moment at which the run could still have done something that is no longer its business. */
const moments: readonly Moment[] = [
  {
    before: 'a file that runs in one transaction',
    up: 'CREATE TABLE b (id int);\n',
    hold: { text: 'INSERT INTO "pulse_migrate"."guard"', what: 'message' },
  },
  {
    before: 'a statement in a transaction of its own',
    up: '-- pulse: no-transaction\nCREATE TABLE b (id int);\n',
    hold: { text: 'pulse_migrate.held', what: 'message' },
  },
  {
    before: 'the mark of a statement without a transaction',
    up: indexUp,
    hold: { text: 'INSERT INTO "pulse_migrate"."journal"', what: 'message' },
  },
  {
    before: 'a statement without a transaction, whose mark was answered late',
    up: indexUp,
    hold: { text: 'INSERT INTO "pulse_migrate"."journal"', what: 'answer' },
  },
];

test.for(moments)(
  'a run whose lease was taken over just before $before does nothing of it, and says whose it is',
  async ({ up, hold }, { database }) => {
    await database.admin('CREATE TABLE a (id int)');
    const project = await openProject(pairs({ '0001_first': ['SELECT 1;\n', 'SELECT 1;\n'] }), database);
    await project.done(['up']);
    await project.write(pairs({ '0002_next': [up, 'SELECT 1;\n'] }));
    const proxy = await startHoldingProxy(database.url, {
      ...hold,
      meanwhile: async () => {
        await database.admin('UPDATE pulse_migrate.lease SET token = gen_random_uuid()');
        // Longer than a proof of the lease is worth anything.
        if (hold.what === 'answer') await sleep(1200);
      },
    });

    const run = await project.cli(['up', '--json'], { env: { DATABASE_URL: proxy.url } });
    await proxy.close();

    expect(proxy.held()).toBe(true);
    expect(run.json(), run.stdout).toMatchObject({
      exitCode: 4,
      error: {
        code: 'lock-not-obtained',
        message: expect.stringContaining('the run lease was taken over by another run'),
      },
      result: { applied: [], pending: [{ version: '0002' }] },
    });
    expect(await database.admin("SELECT to_regclass('b') AS b, to_regclass('a_idx') AS i")).toEqual([
      { b: null, i: null },
    ]);
    expect(await database.admin('SELECT version, outcome FROM pulse_migrate.ledger')).toEqual([
      { version: '0001', outcome: 'done' },
    ]);
  },
);

const lives = pairs({
  '0002_seen': [
    'CREATE TABLE seen AS SELECT expires_at > clock_timestamp() AS lives FROM pulse_migrate.lease;\n',
    'DROP TABLE seen;\n',
  ],
});

/** What runs while the lease is over, which no heartbeat renews then. */
const busy = [
  ['a transaction', 'SELECT 1;\n', 'INSERT INTO "pulse_migrate"."guard"'],
  ['a statement in a transaction of its own', '-- pulse: no-transaction\nSELECT 1;\n', 'pulse_migrate.held'],
  ['a statement without a transaction', indexUp, 'INSERT INTO "pulse_migrate"."journal"'],
] as const;

test.for(busy)(
  'a lease that runs out during %s lives on behind it, so that no other run takes it from a live one',
  async ([, up, text], { database }) => {
    await database.admin('CREATE TABLE a (id int)');
    const project = await openProject({ ...pairs({ '0001_busy': [up, 'SELECT 1;\n'] }), ...lives }, database);
    const proxy = await startHoldingProxy(database.url, {
      text,
      what: 'message',
      meanwhile: () => database.admin("UPDATE pulse_migrate.lease SET expires_at = now() - interval '1 hour'"),
    });

    await project.done(['up'], { env: { DATABASE_URL: proxy.url } });
    await proxy.close();

    expect(await database.admin('SELECT lives FROM seen')).toEqual([{ lives: true }]);
  },
);

test('a run whose lease was taken over before its last row records nothing of what it has done', async ({
  database,
}) => {
  await database.admin('CREATE TABLE a (id int)');
  const project = await openProject(pairs({ '0001_index': [indexUp, 'SELECT 1;\n'] }), database);
  const proxy = await startHoldingProxy(database.url, {
    text: 'pulse_migrate.held',
    what: 'message',
    meanwhile: () => database.admin('UPDATE pulse_migrate.lease SET token = gen_random_uuid()'),
  });

  const run = await project.cli(['up', '--json'], { env: { DATABASE_URL: proxy.url } });
  await proxy.close();

  expect(run.json(), run.stdout).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained' } });
  expect(await database.admin('SELECT version FROM pulse_migrate.ledger')).toEqual([]);
  // What it did is in the journal, for whoever goes on.
  expect(await database.admin('SELECT state FROM pulse_migrate.journal ORDER BY id')).toEqual([
    { state: 'started' },
    { state: 'finished' },
  ]);
});
