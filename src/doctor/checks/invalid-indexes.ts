import { ident, sql } from '../../postgres/sql.ts';
import { type Check, fine } from '../check.ts';
import { firstOf } from '../first-of.ts';

export const invalidIndexes: Check = {
  id: 'invalid-indexes',
  question: 'Is every index valid?',
  why: 'What CREATE INDEX CONCURRENTLY leaves behind when it fails costs every write, serves no read, and guards no key.',
  beforeUp: false,
  async run({ session }) {
    // One that is being built is invalid until then; who builds it may be hidden, its lock on the table is not.
    const rows = await session.rows<{ schema: string; name: string; of: string; leftover: boolean }>(sql`SELECT
  n.nspname::pg_catalog.text AS schema, i.relname::pg_catalog.text AS name, pg_catalog.format('%I.%I', tn.nspname, t.relname) AS of,
  pg_catalog.regexp_like(i.relname::pg_catalog.text, '_cc(new|old)[0-9]*$') AS leftover
FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = i.relnamespace
JOIN pg_catalog.pg_class AS t ON t.oid = x.indrelid JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
WHERE NOT x.indisvalid AND i.relkind::pg_catalog.text = 'i' AND NOT i.relispartition AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS l WHERE l.relation = t.oid AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname::pg_catalog.text = pg_catalog.current_database()::pg_catalog.text))
ORDER BY 1, 2`);
    const [first] = rows;
    if (first === undefined) return fine('every index is valid');
    const name = ident(first.schema, first.name).text;
    return {
      outcome: 'warning',
      message: `invalid: ${firstOf(rows.map((row) => `${ident(row.schema, row.name).text} of ${row.of}`))}`,
      hint: first.leftover
        ? `DROP INDEX CONCURRENTLY ${name}`
        : `REINDEX INDEX CONCURRENTLY ${name}; or DROP INDEX CONCURRENTLY ${name}`,
    };
  },
};
