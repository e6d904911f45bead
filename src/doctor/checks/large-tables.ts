import type { MigrationFile, Statement } from '../../migrations/migration.ts';
import { quoteIdentifier } from '../../postgres/identifiers.ts';
import { sql } from '../../postgres/sql.ts';
import { showBytes } from '../bytes.ts';
import { type Check, fine } from '../check.ts';
import { rewritesOf } from '../disk/rewrites.ts';
import { changesWhoOrWhere, touchedTables } from '../touched-tables.ts';

/** To read so much takes a disk of 200 MB/s half a second, and to index it several (measured: 1 s for 100 MiB). */
const largeBytes = 100 * 1_048_576;

type Work = 'rewrites' | 'scans' | 'indexes';

const ways: Readonly<Record<Work, string>> = {
  rewrites: 'add a column beside the old one, fill it in batches, and exchange the two in a later migration',
  scans: 'add the constraint NOT VALID, and VALIDATE CONSTRAINT in a migration of its own',
  indexes: 'CREATE INDEX CONCURRENTLY, in a migration with -- pulse: no-transaction',
};

/** What makes or rebuilds an index is known by its lock already. */
function notIndexing({ statements }: MigrationFile): readonly Statement[] {
  return statements.filter(({ keywords }) => keywords[0] !== 'REINDEX' && !keywords.slice(0, 3).includes('INDEX'));
}

export const largeTables: Check = {
  id: 'large-tables',
  question: 'Does a pending statement go through a large table under a lock that keeps clients waiting?',
  why: 'It holds its lock until the last row is read or written, and every write, often every read too, waits for that.',
  beforeUp: false,
  async run({ session, pending }) {
    const works = new Map<string, Work>();
    const add = (name: readonly string[], work: Work) => works.set(name.map(quoteIdentifier).join('.'), work);
    for (const { name, work, lock } of touchedTables(pending)) {
      if (work !== null && lock !== null && lock !== 'SHARE UPDATE EXCLUSIVE') add(name, work);
    }
    for (const { names, updates } of pending.flatMap(({ up }) =>
      rewritesOf({ text: up.text, statements: notIndexing(up) }),
    )) {
      const [name] = names;
      // An UPDATE locks rows, and no table.
      if (name !== undefined && !updates) add(name, 'rewrites');
    }
    if (works.size === 0) return fine('none goes through all rows of a table under such a lock');
    if (changesWhoOrWhere(pending))
      return {
        outcome: 'unknown',
        message: 'the pending files set role or search_path: which tables they name is not known',
        hint: null,
      };
    const sizes = await session.rows<{
      wanted: string;
      table: string;
      bytes: number;
    }>(sql`SET LOCAL lock_timeout = '1s';
SELECT w.name AS wanted, r.oid::pg_catalog.regclass::pg_catalog.text AS "table",
  (SELECT COALESCE(pg_catalog.sum(pg_catalog.pg_table_size(t.relid)), 0.0)::pg_catalog.float8
   FROM (SELECT r.oid AS relid UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(r.oid) AS p) AS t) AS bytes
FROM pg_catalog.unnest(${[...works.keys()]}) AS w(name)
CROSS JOIN LATERAL (SELECT pg_catalog.to_regclass(w.name)::pg_catalog.oid AS oid) AS r
JOIN pg_catalog.pg_class AS c ON c.oid = r.oid WHERE c.relkind::pg_catalog.text = ANY (${['r', 'p', 'm']}) ORDER BY bytes DESC`);
    const told = sizes.map(({ wanted, table, bytes }) => ({ table, bytes, work: works.get(wanted) ?? 'scans' }));
    const large = told.filter(({ bytes }) => bytes >= largeBytes);
    const [first] = large;
    const shown = (list: typeof told) =>
      list.map(({ table, bytes, work }) => `${work} ${table} of ${showBytes(bytes)}`).join(', ');
    if (first === undefined) return fine(told.length === 0 ? 'the tables they name are not there yet' : shown(told));
    return { outcome: 'warning', message: shown(large), hint: ways[first.work] };
  },
};
