import { PulseError } from '../errors.ts';
import { ident, join, type Sql, sql } from '../postgres/sql.ts';

/** What a run holds locked itself, for reading or by row, does not count: a file's own hand takes stronger locks. */
const writtenTo = ['layout', 'ledger', 'journal', 'lease', 'applied'] as const;
const alsoThere = ['guard'] as const;

/**
 * True when the present transaction has written to the record, altered, dropped or replaced a table of it, or locked
 * one against others: all of that leaves a lock until the end of the transaction, whatever hid it (a function, a
 * trigger, session_replication_role). Reading, granting and ANALYZE do not count. To be asked before the run writes
 * its own row.
 */
export function touched(schema: string): Sql {
  const relation = (name: string) => sql`pg_catalog.to_regclass(${ident(schema, name).text})::pg_catalog.oid`;
  const all = [...writtenTo, ...alsoThere].map(relation);
  return sql`(SELECT pg_catalog.array_position(ARRAY[${join(all)}], NULL) IS NOT NULL
  OR EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = ${relation('ledger')})
  OR EXISTS (
    SELECT FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.pid = pg_catalog.pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
      AND (l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
             AND l.relation IN (${join(all)})
        OR l.mode = 'RowExclusiveLock' AND l.relation IN (${join(writtenTo.map(relation))}))))`;
}

/** For a file that has done so; everything is rolled back then. */
export function hasTouched(path: string, schema: string, cause?: unknown): PulseError {
  return new PulseError(
    'migration-failed',
    `${path} works on the tables of pulse-migrate in schema ${schema}, which no migration may alter, write to or lock`,
    {
      hint: `take what does so out of ${path}; pulse-migrate repair is the way to correct the record`,
      location: { file: path },
      ...(cause !== undefined && { cause }),
    },
  );
}
