import { sql } from '../../postgres/sql.ts';
import { type Check, type CheckContext, type Finding, fine } from '../check.ts';
import { firstOf } from '../first-of.ts';
import { namedRelations } from '../named-relations.ts';
import type { Risk } from '../risks.ts';
import { type PlacedTable, placeOf, touchedTables } from '../touched-tables.ts';

/** A risk for a table that is there. */
interface Told {
  readonly touched: PlacedTable;
  readonly risk: Risk;
  readonly table: string;
  /** The server's estimate; null where it was never analyzed. */
  readonly rows: number | null;
}

export const pendingFiles: Check = {
  id: 'pending-files',
  question: 'Does a pending statement lose what no down file brings back, or break a program that is running?',
  why: 'What is dropped is gone with its COMMIT, and between a migration and the deploy behind it the old version of a program goes on.',
  beforeUp: false,
  async run({ session, pending }) {
    const { tables, unplaced } = touchedTables(pending);
    const risky = tables.flatMap((touched) => touched.risks.map((risk) => ({ touched, risk })));
    const told = risky.length === 0 ? [] : await lookedUp(session, risky);
    const [first] = told;
    if (first !== undefined) return { outcome: 'warning', message: firstOf(told, shown), hint: ways[first.risk.kind] };
    return unplaced > 0 ? notKnown : fine('no pending statement drops, empties or renames what is there');
  },
};

const ways: Readonly<Record<Risk['kind'], string>> = {
  loses:
    'be sure that nothing needs it any more, and of a backup: pulse-migrate up --backup DIR; accept it: --skip-check pending-files',
  renames:
    'add the new beside the old, move programs over, and drop the old in a later migration; where nothing else uses it: --skip-check pending-files',
  refuses: 'give it a DEFAULT; or add it without NOT NULL, fill it, and SET NOT NULL in a later migration',
};

const notKnown: Finding = {
  outcome: 'unknown',
  message: 'pending files set search_path: which tables their names mean is not known',
  hint: 'write the schema before the names of tables',
};

function shown({ touched, risk, table, rows }: Told): string {
  const size = rows === null ? 'rows not counted yet' : `about ${rows} rows`;
  return `${placeOf(touched)} ${risk.by}: ${table} (${size})`;
}

/** A table that is known to be empty has nothing to lose, and nothing to stand against a new column. */
async function lookedUp(
  session: CheckContext['session'],
  risky: readonly Pick<Told, 'touched' | 'risk'>[],
): Promise<Told[]> {
  const found = await session.rows<{ position: number; table: string; rows: number | null }>(
    sql`WITH RECURSIVE named AS (${namedRelations(risky.map(({ touched }) => touched.relation))}),
tree AS (
  SELECT position, oid, oid AS leaf FROM named
  UNION SELECT t.position, t.oid, i.inhrelid FROM tree AS t JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.leaf
)
SELECT t.position::pg_catalog.float8 AS position, t.oid::pg_catalog.regclass::pg_catalog.text AS "table",
  CASE WHEN pg_catalog.bool_or(c.reltuples < 0::pg_catalog.float4) THEN NULL ELSE pg_catalog.sum(c.reltuples)::pg_catalog.float8 END AS rows
FROM tree AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.leaf AND c.relkind::pg_catalog.text IN ('r', 'p', 'f')
  -- Autovacuum never analyzes a partitioned table itself; its partitions say what it holds.
  AND (c.relkind::pg_catalog.text <> 'p' OR NOT c.relhassubclass)
GROUP BY t.position, t.oid ORDER BY t.position`,
  );
  return found.flatMap(({ position, table, rows }) => {
    const one = risky[position - 1];
    return one === undefined || (rows === 0 && one.risk.kind !== 'renames') ? [] : [{ ...one, table, rows }];
  });
}
