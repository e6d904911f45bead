import { expect } from 'vitest';
import { StatementError } from '../../../src/postgres/errors.ts';
import type { TestDatabase } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { test } from '../../support/program.ts';
import { openProject } from '../../support/project.ts';
import { until } from '../../support/until.ts';
import { liveTable, startLoad } from '../../support/written-truth.ts';

const patient = { timeout: 120_000 };

const convert = ['partition', 'convert', 'commits', '--by', 'committed_at', '--retain', '0s', '--lead', '1'];
const registry = [...convert, '--unique', 'registry', '--now', '2026-11-23T12:00:00Z'];

/** What a statement is refused with, as a client is told; null where it is not. */
async function refusal(run: Promise<unknown>): Promise<unknown> {
  return run.then(
    () => null,
    (error) => (error instanceof StatementError ? [error.sqlstate, error.constraint, error.detail] : error),
  );
}

const insert = (id: string, sha: string, at: string) =>
  `INSERT INTO commits (id, repo_id, sha, committed_at) VALUES ('${id}', 1, '${sha}', '${at}')`;

const takenKey = ['23505', 'commits_repo_id_sha_key', 'Key (repo_id, sha)=(1, one) already exists.'];

/** The tables of keys, and the triggers and functions that keep them. */
async function partsLeft({ admin }: TestDatabase): Promise<unknown> {
  return admin(`SELECT relname FROM pg_class WHERE relname ~ '_(registry|keep|forget)_' AND relkind = 'r'
UNION ALL SELECT proname FROM pg_proc WHERE proname ~ '_(registry|keep|forget)_' ORDER BY 1`);
}

test(
  'a key kept by a registry is unique over all partitions: at once, by an update, by a row that moves, in a new partition, behind a TRUNCATE',
  patient,
  async ({ database }) => {
    await database.admin(liveTable);
    const project = await openProject(null, database);
    await project.done(registry);
    const first = await openSession(database.url);
    const second = await openSession(database.url);

    // Two at once: the second waits for the first, and is refused by what that one did.
    await first.run(`BEGIN; ${insert('a', 'one', '2026-02-02')}`);
    const waiting = refusal(second.run(insert('b', 'one', '2026-05-05')));
    await until('the wait of the second', async () => {
      const [row] = await database.admin<{ waiting: boolean }>(
        "SELECT count(*) > 0 AS waiting FROM pg_locks AS l JOIN pg_database AS d ON d.datname = current_database() WHERE NOT l.granted AND l.locktype = 'transactionid'",
      );
      return row?.waiting === true;
    });
    await first.run('COMMIT');
    expect(await waiting).toEqual(takenKey);
    await first.run(`BEGIN; ${insert('b', 'two', '2026-02-02')}`);
    const freed = refusal(second.run(insert('c', 'two', '2026-05-05')));
    await first.run('ROLLBACK');
    expect(await freed).toBeNull();

    expect(await refusal(second.run("UPDATE commits SET sha = 'one' WHERE id = 'c'"))).toEqual(takenKey);
    expect(await refusal(second.run("UPDATE commits SET committed_at = '2026-09-09' WHERE id = 'a'"))).toBeNull();
    expect(await refusal(second.run(insert('d', 'one', '2026-02-02')))).toEqual(takenKey);
    expect(await refusal(second.run(insert('a', 'three', '2026-02-02')))).toEqual([
      '23505',
      'commits_pkey',
      'Key (id)=(a) already exists.',
    ]);
    await second.run("DELETE FROM commits WHERE id = 'a'");
    await project.done(['partition', 'finish', 'commits', '--i-know']);

    await project.done(['partition', 'create-next', 'commits', '--now', '2027-03-01T00:00:00Z']);
    expect(await refusal(second.run(insert('e', 'one', '2027-03-03')))).toBeNull();
    expect(await refusal(second.run(insert('f', 'one', '2026-02-02')))).toEqual(takenKey);
    await second.run('TRUNCATE commits_2027_03');
    expect(await refusal(second.run(insert('f', 'one', '2026-02-02')))).toBeNull();
    // A row that is moved out of the DEFAULT partition keeps its key.
    await second.run(insert('g', 'late', '2029-09-09'));
    await project.done(['partition', 'drain', 'commits']);
    expect(await refusal(second.run(insert('h', 'late', '2026-02-02')))).toEqual([
      '23505',
      'commits_repo_id_sha_key',
      'Key (repo_id, sha)=(1, late) already exists.',
    ]);
    await second.run('TRUNCATE commits');
    const [left] = await database.admin<{ held: number }>(
      'SELECT count(*)::int AS held FROM commits_pkey_registry_1_0',
    );
    expect(left?.held).toBe(0);
  },
);

test(
  'under clients that write, a conversion with registries keeps every row, and its rollback leaves nothing of them',
  patient,
  async ({ database }) => {
    await database.admin(liveTable);
    const project = await openProject(null, database);
    const load = await startLoad(database);
    await project.done([...registry, '--duty', '1']);
    const before = load.written();
    await until('writes after the swap', async () => load.written() > before + 50);
    const [differing] = await database.admin<{ keys: number }>(`SELECT count(*)::int AS keys
FROM (SELECT repo_id, sha FROM commits) AS c FULL JOIN commits_repo_id_sha_key_registry_1_1 AS r USING (repo_id, sha)
WHERE c IS NULL OR r IS NULL`);
    await project.done(['partition', 'rollback', 'commits']);
    await load.stop();

    expect(differing?.keys).toBe(0);
    expect(await partsLeft(database)).toEqual([]);
  },
);

test('a key that no registry can hold is refused before anything is written', async ({ database }) => {
  await database.admin(`${liveTable} CREATE UNIQUE INDEX commits_lower ON commits (lower(sha));`);
  const project = await openProject(null, database);

  const { exitCode, stderr } = await project.cli(registry);

  expect(exitCode).toBe(2);
  expect(stderr).toContain('commits_lower is no key that a registry can hold');
  expect(await partsLeft(database)).toEqual([]);
});

test(
  'a rollback leaves nothing of a registry, also where a partition that was made since was detached',
  patient,
  async ({ database }) => {
    await database.admin(liveTable);
    const project = await openProject(null, database);
    await project.done(registry);
    await project.done(['partition', 'create-next', 'commits', '--lead', '3', '--now', '2026-11-23T12:00:00Z']);
    const [made] = await database.admin<{ name: string }>(
      "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'commits'::regclass AND pg_get_expr((SELECT relpartbound FROM pg_class WHERE oid = inhrelid), inhrelid) LIKE '%2027-02-01%TO%'",
    );
    await database.admin(`ALTER TABLE commits DETACH PARTITION ${made?.name}`);

    await project.done(['partition', 'rollback', 'commits']);

    expect(await partsLeft(database)).toEqual([]);
    expect(
      await database.admin(
        `SELECT tgname FROM pg_trigger WHERE tgrelid = '${made?.name}'::regclass AND NOT tgisinternal`,
      ),
    ).toEqual([]);
  },
);

test('a foreign key to what a registry keeps unique refers to the registry, and to the table again behind a rollback', async ({
  database,
}) => {
  await database.admin(`${liveTable}CREATE TABLE notes (commit_id text NOT NULL CONSTRAINT noted REFERENCES commits);
INSERT INTO notes VALUES ('old1'), ('old2')`);
  const project = await openProject(null, database);
  const target = async () =>
    database.admin(
      "SELECT confrelid::regclass::text AS name, convalidated AS valid FROM pg_constraint WHERE conname = 'noted'",
    );

  await project.done(registry);

  expect(await target()).toEqual([{ name: expect.stringMatching(/^commits_pkey_registry_/), valid: true }]);
  await expect(database.admin("INSERT INTO notes VALUES ('nobody')")).rejects.toThrow('noted');
  await expect(database.admin("DELETE FROM commits WHERE id = 'old1'")).rejects.toThrow('noted');
  // To another partition and back: for the registry a key that goes and comes.
  await database.admin(
    "UPDATE commits SET committed_at = '2026-11-11' WHERE id = 'old1'; DELETE FROM notes WHERE commit_id = 'old2'",
  );
  await database.admin("DELETE FROM commits WHERE id = 'old2'; INSERT INTO notes VALUES ('old3')");
  await project.done(['partition', 'rollback', 'commits']);
  expect(await target()).toEqual([{ name: 'commits', valid: true }]);
  expect(await database.admin('SELECT commit_id AS id FROM notes ORDER BY 1')).toEqual([
    { id: 'old1' },
    { id: 'old3' },
  ]);
  expect(await partsLeft(database)).toEqual([]);
  await project.done(registry);
  await project.done(['partition', 'finish', 'commits', '--i-know']);
  expect(await target()).toEqual([{ name: expect.stringMatching(/^commits_pkey_registry_/), valid: true }]);
});
