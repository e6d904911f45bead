import { expect } from 'vitest';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject, pairs } from '../../support/project.ts';
import { until } from '../../support/until.ts';

const base = [
  `CREATE TABLE t (id int);
CREATE TABLE p (id int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (100);
CREATE INDEX kept ON t (id);`,
  'DROP TABLE t, p;',
] as const;

/** Every index that is not valid, and every partition that is half detached. */
async function halfDone({ admin }: TestDatabase): Promise<readonly string[]> {
  const rows = await admin<{ name: string }>(`
    SELECT indexrelid::regclass::text AS name FROM pg_index WHERE NOT indisvalid AND indrelid = 't'::regclass
    UNION ALL SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhdetachpending`);
  return rows.map(({ name }) => name);
}

/** Runs a statement that waits for a writer while its lock timeout is over at least once, then lets the writer go. */
async function runBehindWriter(database: TestDatabase, statement: string, writes: string) {
  const up = `-- pulse: no-transaction\n-- pulse: lock-timeout 200ms\n${statement};\n`;
  const project = await openProject(pairs({ '0001_base': base, '0002_x': [up, 'SELECT 1;'] }), database);
  await project.done(['up', '--yes', '--steps', '1']);
  await using writer = await openSession(database.url);
  await writer.run(`BEGIN; ${writes}`);
  const running = project.cli(['up', '--yes', '--json', '--lock-retries', '100']);
  await until('a try has failed and left something half done', async () => {
    if ((await halfDone(database)).length === 0) return false;
    const active = await database.admin(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND query LIKE '/* pulse-migrate%'`,
    );
    return active.length === 0;
  });
  await writer.run('COMMIT');
  return running;
}

const cases = [
  { statement: 'CREATE INDEX CONCURRENTLY fresh ON t (id)', writes: 'INSERT INTO t VALUES (1)' },
  { statement: 'REINDEX INDEX CONCURRENTLY kept', writes: 'INSERT INTO t VALUES (1)' },
  { statement: 'ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY', writes: 'SELECT FROM p' },
] as const;

test.for(cases)(
  '$statement that got no lock at first clears away what that try left, and completes',
  async ({ statement, writes }, { database }) => {
    const run = await runBehindWriter(database, statement, writes);

    expect(run.json()).toMatchObject({ exitCode: 0, result: { applied: [{ version: '0002' }] } });
    expect(await halfDone(database)).toEqual([]);
    const indexes = await database.admin(`SELECT relname FROM pg_class WHERE relname LIKE '%\\_cc%'`);
    expect(indexes).toEqual([]);
    const [row] = await database.admin<{ waited: boolean }>(
      `SELECT lock_wait_ms >= 200 AS waited FROM pulse_migrate.ledger WHERE version = '0002'`,
    );
    expect(row).toEqual({ waited: true });
  },
);

test('a CREATE INDEX CONCURRENTLY without a name whose first try got no lock is not run again, and names what is left', async ({
  database,
}) => {
  const run = await runBehindWriter(database, 'CREATE INDEX CONCURRENTLY ON t (id)', 'INSERT INTO t VALUES (1)');

  expect(run.exitCode).not.toBe(0);
  expect(run.json().error?.message).toContain('t_id_idx (INVALID)');
  expect(run.json().error?.hint).toContain('DROP INDEX CONCURRENTLY');
  expect(await halfDone(database)).toEqual(['t_id_idx']);
  expect(await database.admin("SELECT FROM pulse_migrate.applied WHERE version = '0002'")).toEqual([]);
});
