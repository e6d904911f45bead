import { expect, onTestFinished, test } from 'vitest';
import type { Session } from '../../../src/postgres/session.ts';
import { raw } from '../../../src/postgres/sql.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject, pairs } from '../../support/project.ts';
import { startServer } from '../../support/server.ts';
import { until } from '../../support/until.ts';

const vacuuming = raw("SELECT FROM pg_stat_progress_vacuum WHERE relid = 'commits'::regclass");

/** A table that autovacuum has begun with and would be busy with for minutes: it rests at every page. */
async function vacuumedTable(): Promise<{ readonly url: string; readonly session: Session }> {
  const server = await startServer({ settings: { autovacuum: 'on', autovacuum_naptime: '1s' } });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const session = await openSession(server.url);
  await session.run(`CREATE TABLE commits (id bigint PRIMARY KEY, at timestamptz NOT NULL, note text)
  WITH (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0);
INSERT INTO commits SELECT i, '2026-11-01', repeat('x', 100) FROM generate_series(1, 100000) AS i;
UPDATE commits SET note = 'y' WHERE id % 3 = 0`);
  await until('an autovacuum of the table', async () => (await session.rows(vacuuming)).length > 0);
  return { url: server.url, session };
}

test('a migration is not kept off its table by an autovacuum, though each of its tries is too short for the server to end one', async () => {
  const { url, session } = await vacuumedTable();
  const files = pairs({ '0001_widen': ['ALTER TABLE commits ADD more text;', 'ALTER TABLE commits DROP more;'] });
  const project = await openProject(files, { url });

  const run = await project.done(['up', '--yes', '--lock-timeout', '200ms', '--lock-retries', '20']);

  expect(run.stderr).toMatch(/pid \d+.*autovacuum: VACUUM/);
  expect(await session.rows(raw('SELECT more FROM commits WHERE id = 1'))).toEqual([{ more: null }]);
});

test('a conversion is not kept from its exchange by an autovacuum', async () => {
  const { url, session } = await vacuumedTable();
  const project = await openProject(null, { url });

  await project.done(['partition', 'convert', 'commits', '--by', 'at', '--unique', 'widen', '--retain', '0s']);

  expect(await session.rows(raw("SELECT relkind FROM pg_class WHERE relname = 'commits'"))).toEqual([{ relkind: 'p' }]);
});
