import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { archivePartitions } from '../../../src/archive/archive-partitions.ts';
import { directoryStore } from '../../../src/archive/directory-store.ts';
import type { Store } from '../../../src/archive/store.ts';
import { installLedger } from '../../../src/ledger/install.ts';
import { ident } from '../../../src/postgres/sql.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { installing } from '../../support/installing.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject } from '../../support/project.ts';
import { runnerDeps } from '../../support/runner-deps.ts';

const schema = 'pulse_migrate';
const logs = `CREATE TABLE logs (at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
CREATE TABLE logs_q1 PARTITION OF logs FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-04-01 00:00+00');
INSERT INTO logs SELECT '2025-01-01 00:00+00'::timestamptz + i * interval '1 hour', 'row ' || i FROM generate_series(1, 1000) AS i;`;

/** Archives and drops the partition into a store that is bent. */
async function archiveInto(database: TestDatabase, bent: (store: Store) => Store) {
  const { directory } = await openProject(null, database);
  await using session = await openSession(database.url);
  await installLedger(installing(session), { schema, toolVersion: '0.0.0', waitMs: 0 });
  const store = bent(directoryStore(join(directory, 'old')));
  return await archivePartitions(runnerDeps(session, database.url), {
    ...{ schema, store, place: store.shown, endpoint: null, format: 'csv', drop: true },
    ...{ table: 'logs', names: ['logs_q1'], before: null, confirm: () => undefined },
    detach: (_, { schema: of, name }) => session.run(`ALTER TABLE logs DETACH PARTITION ${ident(of, name).text}`),
  });
}

async function rowsLeft({ admin }: TestDatabase) {
  return admin('SELECT count(*)::int AS rows FROM logs_q1');
}

async function* withoutItsEnd(parts: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const part of parts) yield part.subarray(0, part.length - 1);
}

async function* withAnotherByte(parts: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const part of parts) yield Buffer.concat([part, Buffer.from([0])]);
}

async function* ofSomethingElse(): AsyncGenerator<Buffer> {
  yield gzipSync('at,note\n');
}

test.for([
  ['gives another archive than was written', ofSomethingElse],
  ['gives less than was written', withoutItsEnd],
  ['gives more than was written', withAnotherByte],
] as const)('a partition is not dropped where the storage %s', async ([, changed], { database }) => {
  await database.admin(logs);

  const archiving = archiveInto(database, (store) => ({ ...store, get: (name) => changed(store.get(name)) }));

  await expect(archiving).rejects.toMatchObject({
    code: 'archive-failed',
    now: [expect.stringContaining('logs_q1 is detached, and stands with all its rows')],
  });
  expect(await rowsLeft(database)).toEqual([{ rows: 1000 }]);
});

test('nobody can write to a partition between its archive and its end', async ({ database }) => {
  await database.admin(logs);
  const writing: Promise<unknown>[] = [];
  const write = async () => {
    await using writer = await openSession(database.url);
    await writer.run("SET lock_timeout = '200ms'; INSERT INTO logs_q1 VALUES ('2025-02-01 00:00+00', 'late')");
  };

  const archived = await archiveInto(database, (store) => ({
    ...store,
    get: async function* (name) {
      writing.push(write().catch((error: unknown) => error));
      await Promise.all(writing);
      yield* store.get(name);
    },
  }));

  expect(archived).toMatchObject([{ rows: 1000, dropped: true }]);
  expect(await writing[0]).toMatchObject({ sqlstate: '55P03' });
});

test('what a run with --drop took out and did not finish is left alone by one without, and finished by its name', async ({
  database,
}) => {
  await database.admin(logs);
  await expect(
    archiveInto(database, (store) => ({ ...store, get: (name) => withoutItsEnd(store.get(name)) })),
  ).rejects.toMatchObject({ code: 'archive-failed' });
  const project = await openProject(null, database);
  const archive = ['partition', 'archive', 'logs', 'logs_q1', '--to', 'elsewhere'];

  const plain = await project.done(archive);

  expect(plain.stderr).toContain('public.logs_q1 was taken out of its table by a run with --drop that did not finish');
  expect(plain.stderr).toContain('pulse-migrate partition archive logs logs_q1 --to … --drop --i-know');
  expect(await rowsLeft(database)).toEqual([{ rows: 1000 }]);

  await project.done([...archive, '--drop', '--i-know']);
  expect(await database.admin("SELECT to_regclass('logs_q1') AS there")).toEqual([{ there: null }]);
  await project.done(['partition', 'restore', 'public.logs', '"public"."logs_q1"']);
  expect(await rowsLeft(database)).toEqual([{ rows: 1000 }]);
});
