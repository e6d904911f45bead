import { sql } from '../../postgres/sql.ts';
import { showBytes } from '../bytes.ts';
import { type Check, type CheckContext, type Finding, fine } from '../check.ts';
import { firstOf } from '../first-of.ts';
import { conflictsWith } from '../lock-modes.ts';
import { namedRelations } from '../named-relations.ts';
import { mayBeSame, type RelationName } from '../table-names.ts';
import { type PlacedTable, placeOf, touchedTables } from '../touched-tables.ts';
import type { Work } from '../work.ts';

/** To read so much takes a disk of 200 MB/s half a second, and to index it several (measured: 1 s for 100 MiB). */
const largeBytes = 100 * 1_048_576;

/** A statement that goes through a table under a lock that writers wait for. */
interface Passage {
  readonly touched: PlacedTable;
  readonly work: Work;
}

interface Measured {
  /** Of the passage, from 1. */
  readonly position: number;
  readonly table: string;
  readonly isPartitioned: boolean;
  readonly bytes: number;
  /** The catalog says that the rows are left alone. */
  readonly isSpared: boolean;
}

export const largeTables: Check = {
  id: 'large-tables',
  question: 'Does a pending statement go through a large table under a lock that keeps clients waiting?',
  why: 'It holds its lock until the last row is read or written, and every write, often every read too, waits for that.',
  beforeUp: false,
  async run({ session, pending }) {
    const { tables, unplaced } = touchedTables(pending);
    const passages = passagesOf(tables);
    const measured = passages.length === 0 ? [] : await measure(session, passages);
    const told = measured.flatMap(({ position, isSpared, ...size }) => {
      const passage = passages[position - 1];
      return passage === undefined || isSpared ? [] : [{ ...passage, ...size }];
    });
    const large = told.filter(({ bytes }) => bytes >= largeBytes);
    const [first] = large;
    if (first !== undefined) {
      return {
        outcome: 'warning',
        message: firstOf(large, shown),
        hint: first.isPartitioned ? wayOfPartitions(first.work) : first.work.way,
      };
    }
    if (unplaced > 0) return notKnown;
    return fine(told.length === 0 ? 'none goes through all rows of a table under such a lock' : firstOf(told, shown));
  },
};

/** A constraint that is validated before may prove that there is no NULL, and then the rows are not read again. */
function passagesOf(tables: readonly PlacedTable[]): Passage[] {
  const validated: RelationName[] = [];
  return tables.flatMap((touched) => {
    const isProven = validated.some((one) => mayBeSame(one, touched.relation));
    if (touched.works.some(({ by }) => by === 'VALIDATE CONSTRAINT')) validated.push(touched.relation);
    if (!conflictsWith(touched.lock, 'ROW EXCLUSIVE')) return [];
    const works = touched.works.filter(({ unless }) => !(isProven && unless?.kind === 'not-null'));
    return works.map((work) => ({ touched, work }));
  });
}

const notKnown: Finding = {
  outcome: 'unknown',
  message: 'pending files set search_path: which tables their names mean is not known',
  hint: 'write the schema before the names of tables',
};

function shown({ touched, work, table, bytes }: Passage & Pick<Measured, 'table' | 'bytes'>): string {
  return `${placeOf(touched)} ${work.kind} ${table} of ${showBytes(bytes)} (${work.by})`;
}

/** Nothing is built CONCURRENTLY on a partitioned table itself. */
function wayOfPartitions({ kind, way }: Work): string {
  return kind === 'indexes'
    ? 'CREATE INDEX … ON ONLY the table, the same CONCURRENTLY on each partition, then ALTER INDEX … ATTACH PARTITION'
    : way;
}

/** Partitions included. To ask for a size takes ACCESS SHARE, so the wait for it is bounded. */
async function measure(session: CheckContext['session'], passages: readonly Passage[]): Promise<Measured[]> {
  const column = passages.map(({ work: { unless } }) => (unless !== null && 'column' in unless ? unless.column : ''));
  const type = passages.map(({ work: { unless } }) => (unless?.kind === 'type' ? unless.type : ''));
  const calls = passages.flatMap(({ work: { unless } }, at) =>
    unless?.kind === 'calls' ? unless.calls.map((parts) => ({ at: String(at + 1), parts })) : [],
  );
  return session.rows<Measured & object>(sql`SET LOCAL lock_timeout = '1s';
WITH named AS (${namedRelations(passages.map(({ touched }) => touched.relation))}),
called AS (SELECT c.position::pg_catalog.int8 AS position, pg_catalog.bool_or(f.provolatile::pg_catalog.text = 'v') AS volatile
  FROM ROWS FROM (pg_catalog.unnest(${calls.map(({ at }) => at)}), pg_catalog.unnest(${calls.map(({ parts }) => parts.at(-1) ?? '')}),
    pg_catalog.unnest(${calls.map(({ parts }) => (parts.length > 1 ? (parts[0] ?? '') : ''))})) AS c(position, name, schema)
  JOIN pg_catalog.pg_proc AS f ON f.proname::pg_catalog.text = c.name
  JOIN pg_catalog.pg_namespace AS n ON n.oid = f.pronamespace AND (c.schema = '' OR n.nspname::pg_catalog.text = c.schema)
  GROUP BY 1)
SELECT a.position::pg_catalog.float8 AS position, a.table_oid::pg_catalog.regclass::pg_catalog.text AS "table", c.relkind::pg_catalog.text = 'p' AS "isPartitioned",
  (SELECT COALESCE(pg_catalog.sum(pg_catalog.pg_table_size(t.relid)), 0.0)::pg_catalog.float8
   FROM (SELECT a.table_oid AS relid UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(a.table_oid) AS p) AS t) AS bytes,
  COALESCE(NOT v.volatile, false) OR COALESCE(w.type = '' AND (k.attnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS r
    WHERE r.conrelid = a.table_oid AND r.contype::pg_catalog.text = 'c' AND r.convalidated
      AND pg_catalog.pg_get_constraintdef(r.oid) = pg_catalog.format('CHECK ((%I IS NOT NULL))', w."column"))), false)
    OR COALESCE(w.type <> '' AND ${sameBytes}, false) AS "isSpared"
FROM named AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.table_oid
JOIN ROWS FROM (pg_catalog.unnest(${column}), pg_catalog.unnest(${type})) WITH ORDINALITY AS w("column", type, position) ON w.position = a.position
LEFT JOIN called AS v ON v.position = a.position
LEFT JOIN pg_catalog.pg_attribute AS k ON k.attrelid = a.table_oid AND k.attname::pg_catalog.text = w."column" AND NOT k.attisdropped AND w."column" <> ''
ORDER BY bytes DESC, a.position`);
}

/**
 * Types whose rows stay as they are (manual, ALTER TABLE, "Notes"): binary coercible ones without a length (`char` means
 * one of 1), and varchar that grows. `k` is the column, `w.type` the new type as written.
 */
const sameBytes = sql`(
  (pg_catalog.strpos(w.type, '(') = 0 AND w.type <> ALL (${['char', 'character', 'bit', 'interval']}) AND (k.atttypid = pg_catalog.to_regtype(w.type)::pg_catalog.oid OR EXISTS (SELECT FROM pg_catalog.pg_cast AS b
    WHERE b.castsource = k.atttypid AND b.casttarget = pg_catalog.to_regtype(w.type)::pg_catalog.oid AND b.castmethod::pg_catalog.text = 'b')))
  OR (pg_catalog.regexp_like(w.type, '^(varchar|character varying) [(] [0-9]+ [)]$') AND k.atttypid = 'pg_catalog.varchar'::pg_catalog.regtype::pg_catalog.oid
    AND k.atttypmod - 4 <= pg_catalog.substring(w.type, '[0-9]+')::pg_catalog.int4 AND k.atttypmod > 0))`;
