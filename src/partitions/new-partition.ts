import type { Session } from '../postgres/session.ts';
import { ident, raw, type Sql, sql } from '../postgres/sql.ts';
import { boundLiteral, type ClosedRange } from './bounds.ts';
import type { PartitionedTable, TableName } from './catalog.ts';

/** One statement of the making of a partition: what it is for, and the strongest lock it takes on what clients use. */
export interface PlannedStatement {
  readonly purpose: string;
  readonly sql: string;
  readonly lock: string;
}

/** How long the part of the work that holds locks on what clients use may take, milliseconds. */
export const statementLimitMs = 3000;

/**
 * What makes the partition apart from the table, with every property of `model`, the partition before it: columns with
 * defaults, storage and comments, indexes (its own too), CHECKs, statistics, storage parameters, owner, rights, row
 * level security, triggers, replica identity, publications. What the table itself gives its partitions (foreign keys,
 * its triggers and indexes) comes with ATTACH. A table without partitions is its own model, of columns and indexes alone.
 */
export async function statementsApart(
  session: Session,
  table: Pick<PartitionedTable, 'key'>,
  model: TableName,
  made: TableName,
  indexes: 'with indexes' | 'without indexes' = 'with indexes',
): Promise<readonly PlannedStatement[]> {
  const rows = await session.rows<{ purpose: string; sql: string }>(apartQuery(table, model, made, indexes));
  return rows.map((row) => ({ purpose: row.purpose, sql: row.sql, lock: 'none on what clients use' }));
}

function apartQuery(
  table: Pick<PartitionedTable, 'key'>,
  model: TableName,
  made: TableName,
  indexes: 'with indexes' | 'without indexes',
): Sql {
  const excluded = indexes === 'with indexes' ? '' : ' EXCLUDING INDEXES';
  const [from, to] = [ident(model.schema, model.name).text, ident(made.schema, made.name).text];
  const m = sql`pg_catalog.to_regclass(${from})::pg_catalog.oid`;
  return sql`WITH m AS (
  SELECT c.*, a.amname, t.spcname,
    (SELECT pg_catalog.string_agg(o.option, ', ') FROM (
       SELECT pg_catalog.format('%s = %L', s.option_name, s.option_value) FROM pg_catalog.pg_options_to_table(c.reloptions) AS s
       UNION ALL
       SELECT pg_catalog.format('toast.%s = %L', s.option_name, s.option_value)
       FROM pg_catalog.pg_class AS toast, pg_catalog.pg_options_to_table(toast.reloptions) AS s WHERE toast.oid = c.reltoastrelid
     ) AS o(option)) AS options
  FROM pg_catalog.pg_class AS c
  LEFT JOIN pg_catalog.pg_am AS a ON a.oid = c.relam
  LEFT JOIN pg_catalog.pg_tablespace AS t ON t.oid = c.reltablespace
  WHERE c.oid = ${m}
)
SELECT purpose, sql FROM (
  SELECT 1 AS place, '' AS name, 'the partition, apart from the table' AS purpose,
    'CREATE ' || CASE m.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END || ${`TABLE ${to} (LIKE ${from} INCLUDING ALL EXCLUDING IDENTITY EXCLUDING CONSTRAINTS${excluded})`}
    || COALESCE(' USING ' || pg_catalog.quote_ident(m.amname), '') || COALESCE(' WITH (' || m.options || ')', '')
    || COALESCE(' TABLESPACE ' || pg_catalog.quote_ident(m.spcname), '') AS sql
  FROM m
  UNION ALL
  SELECT 2, k.conname, 'a CHECK of the partitions',
    pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', ${to}::pg_catalog.text, k.conname,
      pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', ''))
  FROM m JOIN pg_catalog.pg_constraint AS k ON k.conrelid = m.oid AND k.contype = 'c'
  -- One of a partition's own that looks at the key is about its own range.
  WHERE k.coninhcount > 0 OR NOT (
    SELECT a.attnum FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = m.oid AND a.attname = ${table.key.column}) = ANY (k.conkey)
  UNION ALL
  SELECT 2, a.attname, 'statistics of a column',
    pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', ${to}::pg_catalog.text, a.attname, a.attstattarget)
  FROM m JOIN pg_catalog.pg_attribute AS a ON a.attrelid = m.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0
  UNION ALL
  SELECT 2, a.attname, 'options of a column',
    pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I SET (%s)', ${to}::pg_catalog.text, a.attname, pg_catalog.array_to_string(a.attoptions, ', '))
  FROM m JOIN pg_catalog.pg_attribute AS a ON a.attrelid = m.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attoptions IS NOT NULL
  UNION ALL
  SELECT 3, g.grantee::pg_catalog.text || g.privilege_type, 'rights',
    pg_catalog.format('GRANT %s ON %s TO %s%s', g.privilege_type, ${to}::pg_catalog.text,
      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END,
      CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM m, pg_catalog.aclexplode(m.relacl) AS g WHERE m.relkind = 'r' AND g.grantee <> m.relowner
  UNION ALL
  SELECT 3, a.attname || ' ' || g.grantee::pg_catalog.text || g.privilege_type, 'rights on a column',
    pg_catalog.format('GRANT %s (%I) ON %s TO %s%s', g.privilege_type, a.attname, ${to}::pg_catalog.text,
      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END,
      CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM m JOIN pg_catalog.pg_attribute AS a ON m.relkind = 'r' AND a.attrelid = m.oid AND a.attnum > 0 AND NOT a.attisdropped,
    pg_catalog.aclexplode(a.attacl) AS g WHERE g.grantee <> m.relowner
  UNION ALL
  SELECT 4, t.tgname, 'a trigger of the partitions',
    pg_catalog.replace(pg_catalog.pg_get_triggerdef(t.oid), ' ON ' || pg_catalog.format('%I.%I', ${model.schema}::pg_catalog.text, ${model.name}::pg_catalog.text) || ' ', ${` ON ${to} `})
  FROM m JOIN pg_catalog.pg_trigger AS t ON m.relkind = 'r' AND t.tgrelid = m.oid AND NOT t.tgisinternal AND t.tgparentid = 0::pg_catalog.oid
  UNION ALL
  SELECT 5, '', 'row level security', ${`ALTER TABLE ${to} ENABLE ROW LEVEL SECURITY`} FROM m WHERE m.relkind = 'r' AND m.relrowsecurity
  UNION ALL
  SELECT 5, 'force', 'row level security', ${`ALTER TABLE ${to} FORCE ROW LEVEL SECURITY`} FROM m WHERE m.relkind = 'r' AND m.relforcerowsecurity
  UNION ALL
  SELECT 6, p.polname, 'a policy of the partitions',
    pg_catalog.format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, ${to}::pg_catalog.text,
      CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
      CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
      (SELECT pg_catalog.string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r)) END, ', ')
       FROM pg_catalog.unnest(p.polroles) AS r),
      COALESCE(' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', ''),
      COALESCE(' WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''))
  FROM m JOIN pg_catalog.pg_policy AS p ON m.relkind = 'r' AND p.polrelid = m.oid
  UNION ALL
  SELECT 7, '', 'replica identity', ${`ALTER TABLE ${to} REPLICA IDENTITY `} || CASE m.relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END
  FROM m WHERE m.relkind = 'r' AND m.relreplident IN ('f', 'n')
  UNION ALL
  -- The index of the new partition has a name of its own, so it is known by its columns, when it is there.
  SELECT 7, '', 'replica identity', pg_catalog.format('DO $pulse$ BEGIN EXECUTE (
  SELECT pg_catalog.format(''ALTER TABLE %%s REPLICA IDENTITY USING INDEX %%I'', %1$L, x.relname)
  FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
  WHERE i.indrelid = pg_catalog.to_regclass(%1$L)::pg_catalog.oid AND i.indisunique AND i.indimmediate
    AND i.indpred IS NULL AND i.indexprs IS NULL AND (${keyNames('i')}) = %2$L::pg_catalog.text[]
  ORDER BY x.relname LIMIT 1); END $pulse$', ${to}::pg_catalog.text, (${keyNames('j')}))
  FROM m JOIN pg_catalog.pg_index AS j ON m.relkind = 'r' AND m.relreplident = 'i' AND j.indrelid = m.oid AND j.indisreplident
  UNION ALL
  SELECT 8, b.pubname, 'a publication of the partitions', pg_catalog.format('ALTER PUBLICATION %I ADD TABLE %s', b.pubname, ${to}::pg_catalog.text)
  FROM m JOIN pg_catalog.pg_publication_rel AS r ON m.relkind = 'r' AND r.prrelid = m.oid JOIN pg_catalog.pg_publication AS b ON b.oid = r.prpubid
  UNION ALL
  SELECT 9, '', 'the owner', pg_catalog.format('ALTER TABLE %s OWNER TO %I', ${to}::pg_catalog.text, pg_catalog.pg_get_userbyid(m.relowner))
  FROM m WHERE m.relowner <> (SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)
) AS s ORDER BY place, name`;
}

/** The names of an index's key columns, in order. */
function keyNames(index: string): Sql {
  return raw(`SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY k.place)
    FROM pg_catalog.unnest(${index}.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(number, place)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = ${index}.indrelid AND a.attnum = k.number WHERE k.place <= ${index}.indnkeyatts`);
}

/**
 * The rest, in order: the locks as clients take them, and ATTACH, which finds no row to look at in the partition, since
 * it was made a moment ago, and looks through the DEFAULT partition.
 * @param isTimely rows of the range may be on their way into the DEFAULT partition: a statement that had already looked up
 * its partitions would put them there, which the server refuses (23514). So nobody may be on the way. For a range that
 * lies ahead the weaker lock will do, which a long transaction does not stand against.
 */
export function statementsToAttach(
  table: PartitionedTable,
  made: TableName,
  range: ClosedRange,
  isTimely: boolean,
): { readonly locks: readonly PlannedStatement[]; readonly attach: PlannedStatement } {
  const { type } = table.key;
  const [from, to] = [boundLiteral(type, range.from), boundLiteral(type, range.to)];
  const [parent, child] = [ident(table.schema, table.name), ident(made.schema, made.name)];
  const lock = (name: TableName, only: string, mode: string): PlannedStatement => ({
    purpose: 'what ATTACH locks, in one order',
    sql: `LOCK TABLE ${only}${ident(name.schema, name.name).text} IN ${mode} MODE`,
    lock: `${mode} on ${name.name}`,
  });
  return {
    locks: [
      ...table.references.map((name) => lock(name, '', 'SHARE ROW EXCLUSIVE')),
      lock(table, 'ONLY ', table.defaultPartition !== null && isTimely ? 'ACCESS EXCLUSIVE' : 'SHARE UPDATE EXCLUSIVE'),
      ...(table.defaultPartition === null ? [] : [lock(table.defaultPartition, 'ONLY ', 'ACCESS EXCLUSIVE')]),
    ],
    attach: {
      purpose: 'the partition becomes part of the table',
      sql: sql`ALTER TABLE ${parent} ATTACH PARTITION ${child} FOR VALUES FROM (${from}) TO (${to})`.text,
      lock: `SHARE UPDATE EXCLUSIVE on ${table.name}, or what is held already`,
    },
  };
}
