import { sql } from '../../postgres/sql.ts';
import { type Check, fine } from '../check.ts';

export const partitionStatistics: Check = {
  id: 'partition-statistics',
  question: 'Was every partitioned table analyzed once?',
  why: 'Autovacuum analyzes partitions and never their table: without its statistics the server guesses at joins of all of it.',
  beforeUp: false,
  async run({ session }) {
    // reltuples is -1 until the first ANALYZE (PostgreSQL 14 and later); sizes of partitions are estimates, so that none is looked into.
    const rows = await session.rows<{
      name: string;
    }>(sql`SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'p' AND NOT c.relispartition AND c.reltuples OPERATOR(pg_catalog.<) 0::pg_catalog.float4
  AND EXISTS (SELECT FROM pg_catalog.pg_partition_tree(c.oid) AS t JOIN pg_catalog.pg_class AS l ON l.oid = t.relid::pg_catalog.oid
    WHERE t.isleaf AND (l.relpages > 0 OR pg_catalog.pg_relation_size(l.oid) > 0))
ORDER BY 1`);
    if (rows.length === 0) return fine('every partitioned table with rows was analyzed');
    const names = rows.map(({ name }) => name).join(', ');
    return { outcome: 'warning', message: `never analyzed: ${names}`, hint: `ANALYZE ${names};` };
  },
};
