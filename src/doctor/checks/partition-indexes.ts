import { sql } from '../../postgres/sql.ts';
import { type Check, fine } from '../check.ts';

interface Broken {
  readonly kind: 'missing' | 'invalid';
  readonly index: string;
  readonly table: string;
  readonly cure: string;
}

export const partitionIndexes: Check = {
  id: 'partition-indexes',
  question: 'Has every partition the indexes of its table, and are they valid?',
  why: 'A partition without one is read from end to end, and a unique index that is not valid holds nobody to it.',
  beforeUp: false,
  async run({ session }) {
    const rows = await session.rows<Broken & Record<string, unknown>>(sql`SELECT 'missing' AS kind, x.relname AS index,
  pg_catalog.format('%I.%I', ln.nspname, l.relname) AS table,
  pg_catalog.format('CREATE %sINDEX CONCURRENTLY %I ON %I.%I%s; ALTER INDEX %I.%I ATTACH PARTITION %I.%I;',
    CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, pg_catalog.left(l.relname, 30) || '_' || pg_catalog.left(x.relname, 30),
    ln.nspname, l.relname, pg_catalog.substring(pg_catalog.pg_get_indexdef(i.indexrelid), ' USING .*$'),
    xn.nspname, x.relname, ln.nspname, pg_catalog.left(l.relname, 30) || '_' || pg_catalog.left(x.relname, 30)) AS cure
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid AND x.relkind = 'I'
JOIN pg_catalog.pg_namespace AS xn ON xn.oid = x.relnamespace
JOIN pg_catalog.pg_inherits AS h ON h.inhparent = i.indrelid
JOIN pg_catalog.pg_class AS l ON l.oid = h.inhrelid AND l.relkind IN ('r', 'p')
JOIN pg_catalog.pg_namespace AS ln ON ln.oid = l.relnamespace
WHERE NOT i.indisvalid AND NOT EXISTS (
  SELECT FROM pg_catalog.pg_inherits AS c JOIN pg_catalog.pg_index AS own ON own.indexrelid = c.inhrelid
  WHERE c.inhparent = i.indexrelid AND own.indrelid = l.oid)
UNION ALL
SELECT 'invalid', x.relname, pg_catalog.format('%I.%I', ln.nspname, l.relname),
  pg_catalog.format('REINDEX INDEX CONCURRENTLY %I.%I;', ln.nspname, x.relname)
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid AND x.relkind = 'i'
JOIN pg_catalog.pg_class AS l ON l.oid = i.indrelid AND l.relispartition
JOIN pg_catalog.pg_namespace AS ln ON ln.oid = l.relnamespace
WHERE NOT i.indisvalid
ORDER BY 1, 2, 3`);
    const [first] = rows;
    if (first === undefined) return fine('every partition has the indexes of its table');
    const shown = rows
      .slice(0, 3)
      .map(({ kind, index, table }) =>
        kind === 'missing' ? `${table} lacks ${index}` : `${index} of ${table} is not valid`,
      );
    const more = rows.length > 3 ? `, and ${rows.length - 3} more` : '';
    return { outcome: 'warning', message: `${shown.join(', ')}${more}`, hint: first.cure };
  },
};
