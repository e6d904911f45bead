import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { onTestFinished } from 'vitest';
import type { TestDatabase } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject, pairs } from '../../support/project.ts';
import { until } from '../../support/until.ts';
import type { Verdict } from './tally.ts';

/** Migrations of a table in use, in the way that does not lock it for long. */
const files = pairs({
  '0001_note': ['ALTER TABLE orders ADD COLUMN note text;\n', 'ALTER TABLE orders DROP COLUMN note;\n'],
  '0002_index': [
    '-- pulse: no-transaction\nCREATE INDEX CONCURRENTLY orders_value_idx ON orders (value);\nALTER TABLE orders ADD CONSTRAINT positive CHECK (value >= 0) NOT VALID;\nCREATE INDEX CONCURRENTLY orders_note_idx ON orders (note);\n',
    '-- pulse: no-transaction\nDROP INDEX CONCURRENTLY orders_value_idx;\n',
  ],
  '0003_check': ['ALTER TABLE orders VALIDATE CONSTRAINT positive;\n', 'SELECT 1;\n'],
  '0004_default': [
    "ALTER TABLE orders ALTER COLUMN note SET DEFAULT 'none', ALTER COLUMN value SET DEFAULT 1;\nALTER TABLE orders ADD COLUMN at timestamptz DEFAULT now();\n",
    'SELECT 1;\n',
  ],
  '0005_rebuild': [
    '-- pulse: no-transaction\nREINDEX INDEX CONCURRENTLY orders_value_idx;\nDROP INDEX CONCURRENTLY orders_note_idx;\n',
    'SELECT 1;\n',
  ],
});

/** The longest that the tool may wait for a lock in one try, and what a busy machine may add to that. */
const tryMs = 100;
const slackMs = 3000;

const argv = ['up', '--json', '--yes', '--lock-timeout', `${tryMs}ms`, '--lock-retries', '1000'];

interface Load {
  /** Stops it; what it did, how often, and the longest that one took. */
  end(): Promise<{ readonly errors: readonly string[]; readonly times: number; readonly longestMs: number }>;
}

/** Sessions that do the same work again and again; the server itself fails whatever waits too long for a lock. */
function startLoad(
  { url }: TestDatabase,
  sessions: number,
  work: (sql: postgres.Sql, round: number) => Promise<unknown>,
): Load {
  const sql = postgres(url, {
    max: sessions,
    fetch_types: false,
    onnotice: () => {},
    connection: { application_name: 'load', lock_timeout: tryMs + slackMs },
  });
  onTestFinished(() => sql.end({ timeout: 5 }));
  const errors: string[] = [];
  let isOver = false;
  let times = 0;
  let longestMs = 0;
  const session = async (number: number) => {
    for (let round = number; !isOver; round += sessions) {
      const began = performance.now();
      await work(sql, round).catch((error: unknown) => errors.push(String(error)));
      longestMs = Math.max(longestMs, performance.now() - began);
      times += 1;
    }
  };
  const working = Promise.all(Array.from({ length: sessions }, (_none, number) => session(number)));
  return {
    end: async () => {
      isOver = true;
      await working;
      await sql.end({ timeout: 5 });
      return { errors, times, longestMs };
    },
  };
}

async function prepareOrders({ admin }: TestDatabase): Promise<void> {
  await admin('CREATE TABLE orders (id int PRIMARY KEY, value int NOT NULL)');
  await admin('INSERT INTO orders SELECT n, n FROM generate_series(1, 5000) AS n');
}

/** Migrates a table while others write to it: none of them fails, all migrations are applied. */
export async function upUnderWriters(database: TestDatabase): Promise<Verdict> {
  await prepareOrders(database);
  const project = await openProject(files, database);
  const load = startLoad(database, 4, async (sql, round) =>
    sql.begin(async (transaction) => {
      await transaction`UPDATE orders SET value = value + 1 WHERE id = ${1 + (round % 5000)}`;
      await transaction`INSERT INTO orders VALUES (${10_000 + round}, 1)`;
    }),
  );
  const run = await project.cli(argv);
  const { errors, times, longestMs } = await load.end();
  const figures = { 'longest write ms': longestMs };
  if (run.exitCode !== 0) return { fault: 'stuck', detail: run.stdout + run.stderr, figures };
  if (errors.length > 0) return { fault: 'inconsistent', detail: errors.slice(0, 3).join('; '), figures };
  const [row] = await database.admin<{ written: number; invalid: number }>(
    'SELECT count(*)::int - 5000 AS written, (SELECT count(*)::int FROM pg_index WHERE NOT indisvalid) AS invalid FROM orders',
  );
  // Every write that was called done is there, and once.
  if (row?.written !== times || row.invalid > 0)
    return { fault: 'inconsistent', detail: JSON.stringify({ ...row, times }), figures };
  return { fault: null, figures };
}

/** Migrates a table behind a long read, and with many short ones behind it: none of them waits longer than one try. */
export async function upBehindReader(database: TestDatabase, readMs: number): Promise<Verdict> {
  await prepareOrders(database);
  const project = await openProject(files, database);
  const reader = await openSession(database.url);
  const load = startLoad(database, 8, (sql, round) => sql`SELECT value FROM orders WHERE id = ${1 + (round % 5000)}`);
  let tries = 0;
  await reader.run('BEGIN; SELECT count(*) FROM orders');
  const run = project.cli(argv);
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const rows = await database.admin(
        "SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = 'orders'::regclass",
      );
      tries += rows.length;
    }
  })();
  await Promise.all([sleep(readMs), until('a try stands behind the long read', async () => tries > 0)]);
  await reader.run('COMMIT');
  const { exitCode, stdout, stderr } = await run;
  isOver = true;
  await watching;
  const { errors, times, longestMs } = await load.end();
  const figures = { 'longest read ms': longestMs, 'reads beside it': times, 'looks that met a queue': tries };
  if (exitCode !== 0) return { fault: 'stuck', detail: stdout + stderr, figures };
  if (errors.length > 0) return { fault: 'inconsistent', detail: errors.slice(0, 3).join('; '), figures };
  return { fault: null, figures };
}
