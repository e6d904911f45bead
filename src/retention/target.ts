import { type KeyType, keyTypes } from '../partitions/bounds.ts';
import { ownRows, StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { ident, type Sql, sql } from '../postgres/sql.ts';

export interface Column {
  readonly name: string;
  /** As the server writes it: `numeric(5,1)`. */
  readonly type: string;
  readonly isArray: boolean;
  readonly isGenerated: boolean;
}

/** A table that holds rows: the one of a rule, or each of its partitions. */
export interface Leaf {
  readonly schema: string;
  readonly name: string;
  /** A valid B-tree index, not of some rows alone, that begins with the column of the rule. */
  readonly hasTimeIndex: boolean;
  /** So many rows as the server thinks; null where it was never analyzed. */
  readonly rows: number | null;
  /** False for a foreign table, whose rows are another server's. */
  readonly isTable: boolean;
}

/** What a foreign key does with the rows that point at rows which go. */
export type OnDelete = 'cascade' | 'set null' | 'set default' | 'refuse';

export interface Reference {
  readonly constraint: string;
  /** The table with the foreign key. */
  readonly oid: number;
  readonly from: string;
  readonly to: string;
  readonly onDelete: OnDelete;
  /** Whether an index finds the rows that point at one; without it each row that goes reads all of that table. */
  readonly hasIndex: boolean;
}

/** The table of a rule as the catalog has it. */
export interface Target {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly isPartitioned: boolean;
  readonly columns: readonly Column[];
  readonly primaryKey: readonly string[];
  /** Null where the column of the rule is not there, or is no time. */
  readonly timeType: KeyType | null;
  readonly leaves: readonly Leaf[];
  /** Foreign keys by which other rows go, change or stand in the way, also those at the end of a chain. */
  readonly references: readonly Reference[];
  /** Tables that the rule names under `cascade`, by oid; null where there is none of that name. */
  readonly named: ReadonlyArray<{ readonly name: string; readonly oid: number | null }>;
}

/** Schema and name, quoted. */
export function tableOf({ schema, name }: { readonly schema: string; readonly name: string }): Sql {
  return ident(schema, name);
}

/** The same for people, and as the record has it. */
export function shownName({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return `${schema}.${name}`;
}

interface TargetRow {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  readonly columns: ReadonlyArray<{
    readonly name: string;
    readonly type: string;
    readonly isArray: boolean;
    readonly isGenerated: boolean;
    readonly own: string | null;
  }> | null;
  readonly primary_key: readonly string[] | null;
  readonly leaves: ReadonlyArray<Omit<Leaf, 'isTable'> & { readonly kind: string }> | null;
  readonly references: ReadonlyArray<Omit<Reference, 'onDelete'> & { readonly action: string }> | null;
  [column: string]: unknown;
}

const doing = 'looking at a table of a rule';

/** The oid behind a name as typed; null where there is no table of that name. */
async function oidOf(session: Session, name: string): Promise<number | null> {
  try {
    const [row] = await session.rows<{ oid: number | null }>(
      sql`SELECT pg_catalog.to_regclass(${name})::pg_catalog.oid::pg_catalog.int8::pg_catalog.float8 AS oid`,
    );
    return row?.oid ?? null;
  } catch (error) {
    // invalid_name, syntax_error: no name at all.
    if (error instanceof StatementError && ['42602', '42601'].includes(error.sqlstate)) return null;
    throw error;
  }
}

/** Null where there is no table of that name. */
export async function readTarget(
  session: Session,
  { table, time, cascade }: { readonly table: string; readonly time: string; readonly cascade: readonly string[] },
): Promise<Target | null> {
  const oid = await oidOf(session, table);
  if (oid === null) return null;
  const [row] = await ownRows<TargetRow>(session, doing, targetQuery(oid, time));
  if (row === undefined) return null;
  const named: { name: string; oid: number | null }[] = [];
  for (const name of cascade) named.push({ name, oid: await oidOf(session, name) });
  const columns = row.columns ?? [];
  const own = columns.find(({ name }) => name === time)?.own;
  return {
    oid,
    schema: row.schema,
    name: row.name,
    isPartitioned: row.kind === 'p',
    columns: columns.map(({ own: _, ...column }) => column),
    primaryKey: row.primary_key ?? [],
    timeType: keyTypes.find((type) => type === own) ?? null,
    leaves: (row.leaves ?? []).map(({ kind, ...leaf }) => ({ ...leaf, isTable: kind === 'r' })),
    references: (row.references ?? []).map(({ action, ...reference }) => ({
      ...reference,
      onDelete: actions[action] ?? 'refuse',
    })),
    named,
  };
}

/** pg_constraint.confdeltype; `a` and `r` refuse. */
const actions: Readonly<Record<string, OnDelete>> = { c: 'cascade', n: 'set null', d: 'set default' };

function targetQuery(oid: number, time: string): Sql {
  const relation = (alias: string) =>
    sql`(SELECT n.nspname::pg_catalog.text || '.' || x.relname::pg_catalog.text FROM pg_catalog.pg_class AS x
       JOIN pg_catalog.pg_namespace AS n ON n.oid = x.relnamespace WHERE x.oid = ${ident('k', alias)})`;
  return sql`WITH RECURSIVE reached (oid) AS (
  SELECT ${String(oid)}::pg_catalog.oid
  UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors(${String(oid)}::pg_catalog.oid::pg_catalog.regclass) AS p
  UNION SELECT k.conrelid FROM reached AS r
    JOIN pg_catalog.pg_constraint AS k ON k.confrelid = r.oid AND k.contype = 'f' AND k.conparentid = 0::pg_catalog.oid AND k.confdeltype = 'c'
)
SELECT c.oid::pg_catalog.int8::pg_catalog.float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind::pg_catalog.text AS kind,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
      'isArray', t.typcategory = 'A', 'isGenerated', a.attgenerated <> '',
      'own', CASE WHEN t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid THEN t.typname END) ORDER BY a.attnum)
   FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  (SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_index AS i
   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
   WHERE i.indrelid = c.oid AND i.indisprimary) AS primary_key,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('schema', ln.nspname, 'name', l.relname, 'kind', l.relkind,
      'rows', CASE WHEN l.reltuples >= 0::pg_catalog.float4 THEN l.reltuples END,
      'hasTimeIndex', EXISTS (SELECT FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
        JOIN pg_catalog.pg_am AS m ON m.oid = x.relam AND m.amname = 'btree'
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attname = ${time}
        WHERE i.indrelid = l.oid AND i.indisvalid AND i.indpred IS NULL)) ORDER BY l.oid)
   FROM pg_catalog.pg_class AS l JOIN pg_catalog.pg_namespace AS ln ON ln.oid = l.relnamespace
   WHERE l.oid IN (
     SELECT c.oid WHERE c.relkind <> 'p'
     UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(c.oid::pg_catalog.regclass) AS p WHERE p.isleaf)
     AND l.relkind <> 'p') AS leaves,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('constraint', k.conname, 'action', k.confdeltype,
      'oid', k.conrelid::pg_catalog.int8, 'from', ${relation('conrelid')}, 'to', ${relation('confrelid')},
      'hasIndex', EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indkey[0] = k.conkey[1])) ORDER BY k.oid)
   FROM pg_catalog.pg_constraint AS k JOIN reached AS r ON r.oid = k.confrelid
   WHERE k.contype = 'f' AND k.conparentid = 0::pg_catalog.oid) AS references
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = ${String(oid)}::pg_catalog.oid AND c.relkind IN ('r', 'p')`;
}
