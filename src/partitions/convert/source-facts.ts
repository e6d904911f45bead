import { StatementError } from '../../postgres/errors.ts';
import type { Session } from '../../postgres/session.ts';
import { ident, raw, type Sql, sql } from '../../postgres/sql.ts';
import type { TableName } from '../catalog.ts';

export interface ColumnFact {
  readonly name: string;
  readonly type: string;
  readonly ownType: boolean;
  readonly notNull: boolean;
  readonly generated: boolean;
  readonly identity: boolean;
  readonly statistics: number | null;
  readonly options: string | null;
  /** The sequence that belongs to the column. */
  readonly sequence: TableName | null;
  readonly rights: readonly Right[] | null;
}

export interface Right {
  readonly grantee: string;
  readonly privilege: string;
  readonly grantable: boolean;
}

export interface IndexFact {
  readonly name: string;
  readonly constraint: 'p' | 'u' | 'x' | null;
  readonly unique: boolean;
  readonly valid: boolean;
  /** `USING btree (…) …`, or of a constraint `UNIQUE (…) …`. */
  readonly definition: string;
  /** For an index of its own on each partition. */
  readonly using: string;
  /** The columns of the key by name; null stands for an expression. */
  readonly columns: readonly (string | null)[];
  /** A key of columns alone, for all rows, checked at once, compared as the columns' types are. */
  readonly plain: boolean;
  readonly comment: string | null;
}

export interface ForeignKeyFact {
  readonly name: string;
  readonly definition: string;
  readonly references: TableName;
  readonly valid: boolean;
  readonly self: boolean;
  /** Whether the role may lock the table it refers to, and refer to it. */
  readonly allowed: boolean;
}

export interface TriggerFact {
  readonly name: string;
  /** Before and behind the name of the table. */
  readonly definition: string;
  readonly enabled: string;
  readonly row: boolean;
  readonly before: boolean;
  readonly transition: boolean;
  readonly constraint: boolean;
  readonly source: string | null;
}

/** What depends on the table without being part of it. */
export interface DependentFact {
  readonly kind: 'view' | 'function' | 'inbound' | 'other';
  readonly described: string;
  /** Makes it again, by names. */
  readonly sql: string | null;
  readonly owned: boolean;
  /** Of a foreign key that refers to the table. */
  readonly inbound: InboundFact | null;
}

/** A foreign key of another table that refers to this one. */
export interface InboundFact {
  readonly name: string;
  readonly table: TableName;
  /** The unique index that it relies on, and its columns as the key refers to them. */
  readonly key: string;
  readonly columns: readonly string[];
  /** `FOREIGN KEY (…) REFERENCES @(…) …`: for @ stands the table. */
  readonly definition: string;
  readonly valid: boolean;
  /** It stands on an ordinary table, and is its own. */
  readonly plain: boolean;
  /** NO ACTION both when a row is deleted and when its key changes. */
  readonly passive: boolean;
}

/** All that the catalog says of a table that is to be converted. */
export interface SourceFacts extends TableName {
  readonly oid: number;
  readonly kind: string;
  readonly persistence: string;
  readonly isPartition: boolean;
  readonly inherits: boolean;
  readonly typed: boolean;
  readonly extension: string | null;
  readonly system: boolean;
  readonly owner: string;
  readonly owned: boolean;
  readonly bypassesRls: boolean;
  readonly rowSecurity: boolean;
  readonly forceRowSecurity: boolean;
  readonly replicaIdentity: string;
  readonly options: string | null;
  readonly accessMethod: string;
  readonly tablespace: string | null;
  readonly comment: string | null;
  readonly rights: readonly Right[] | null;
  readonly subscribed: boolean;
  readonly labelled: boolean;
  readonly columns: readonly ColumnFact[];
  readonly checks: ReadonlyArray<{ readonly name: string; readonly valid: boolean; readonly inherited: boolean }>;
  readonly indexes: readonly IndexFact[];
  readonly foreignKeys: readonly ForeignKeyFact[];
  readonly triggers: readonly TriggerFact[];
  readonly policies: ReadonlyArray<{ readonly name: string; readonly sql: string }>;
  readonly publications: ReadonlyArray<{
    name: string;
    viaRoot: boolean;
    all: boolean;
    plain: boolean;
    owned: boolean;
  }>;
  readonly dependents: readonly DependentFact[];
}

/**
 * In a transaction: names are written with their schema, times in UTC. Without JIT, which a plan that must not scan a
 * table seems worth to the server: measured 0.3 s of compiling under the locks of a swap.
 */
export const plainSettings = raw(
  "SET LOCAL search_path = ''; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL quote_all_identifiers = off; SET LOCAL jit = off",
);

/** The oid of a relation by its name as typed, quoted as in SQL; null where there is none. */
export async function relationOid(session: Session, name: string): Promise<number | null> {
  try {
    const [row] = await session.rows<{ oid: number | null }>(
      sql`SELECT pg_catalog.to_regclass(${name})::pg_catalog.oid::pg_catalog.int8::pg_catalog.float8 AS oid`,
    );
    return row?.oid ?? null;
  } catch (error) {
    if (error instanceof StatementError && ['42602', '42601'].includes(error.sqlstate)) return null;
    throw error;
  }
}

/** Reads everything about a table, in one transaction of its own or in the one that is open. `toolSchema`: triggers of ours are left out. */
export async function readSourceFacts(session: Session, oid: number, toolSchema: string): Promise<SourceFacts | null> {
  const [row] = await session.rows<{ facts: SourceFacts | null }>(
    sql`${plainSettings}; ${factsQuery(sql`${oid}::pg_catalog.oid`, toolSchema)}`,
  );
  return row?.facts ?? null;
}

const acl = (column: string): string => `(SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'grantee', CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END,
      'privilege', g.privilege_type, 'grantable', g.is_grantable) ORDER BY g.grantee, g.privilege_type)
    FROM pg_catalog.aclexplode(${column}) AS g WHERE g.grantee <> c.relowner)`;

const array = (select: string): string =>
  `COALESCE((SELECT pg_catalog.json_agg(x.fact ORDER BY x.place) FROM (${select}) AS x(place, fact)), '[]')`;

function factsQuery(oid: Sql, toolSchema: string): Sql {
  const q = (text: string): Sql => raw(text);
  return sql`SELECT pg_catalog.json_build_object(
  'oid', c.oid::pg_catalog.int8, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'persistence', c.relpersistence,
  'isPartition', c.relispartition, 'typed', c.reloftype <> 0::pg_catalog.oid,
  'inherits', EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE c.oid IN (i.inhrelid, i.inhparent)),
  'extension', (SELECT e.extname FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
     WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e' LIMIT 1),
  'system', n.nspname ~ '^pg_' OR n.nspname = 'information_schema',
  'owner', pg_catalog.pg_get_userbyid(c.relowner), 'owned', pg_catalog.pg_has_role(c.relowner, 'USAGE'),
  'bypassesRls', (SELECT r.rolsuper OR r.rolbypassrls FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user),
  'rowSecurity', c.relrowsecurity, 'forceRowSecurity', c.relforcerowsecurity, 'replicaIdentity', c.relreplident,
  'options', (SELECT pg_catalog.string_agg(o.option, ', ') FROM (
       SELECT pg_catalog.format('%s = %L', s.option_name, s.option_value) FROM pg_catalog.pg_options_to_table(c.reloptions) AS s
       UNION ALL
       SELECT pg_catalog.format('toast.%s = %L', s.option_name, s.option_value)
       FROM pg_catalog.pg_class AS toast, pg_catalog.pg_options_to_table(toast.reloptions) AS s WHERE toast.oid = c.reltoastrelid
     ) AS o(option)),
  'accessMethod', (SELECT a.amname FROM pg_catalog.pg_am AS a WHERE a.oid = c.relam),
  'tablespace', (SELECT t.spcname FROM pg_catalog.pg_tablespace AS t WHERE t.oid = c.reltablespace),
  'comment', pg_catalog.obj_description(c.oid, 'pg_class'),
  'rights', ${q(acl('c.relacl'))},
  'subscribed', EXISTS (SELECT FROM pg_catalog.pg_subscription_rel AS s WHERE s.srrelid = c.oid),
  'labelled', EXISTS (SELECT FROM pg_catalog.pg_seclabel AS s WHERE s.objoid = c.oid AND s.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass),
  'columns', ${q(
    array(`SELECT a.attnum, pg_catalog.json_build_object('name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
       'ownType', t.typnamespace <> 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid AND t.typtype <> 'e', 'notNull', a.attnotnull,
       'generated', a.attgenerated <> '', 'identity', a.attidentity <> '',
       'statistics', NULLIF(a.attstattarget, -1), 'options', pg_catalog.array_to_string(a.attoptions, ', '),
       'default', pg_catalog.pg_get_expr((SELECT f.adbin FROM pg_catalog.pg_attrdef AS f WHERE f.adrelid = c.oid AND f.adnum = a.attnum), c.oid),
       'storage', a.attstorage, 'compression', a.attcompression, 'collation', a.attcollation::pg_catalog.int8,
       'sequence', (SELECT pg_catalog.json_build_object('schema', sn.nspname, 'name', s.relname)
          FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
          JOIN pg_catalog.pg_namespace AS sn ON sn.oid = s.relnamespace
          WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND d.refobjid = c.oid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i') LIMIT 1),
       'rights', ${acl('a.attacl')})
     FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`),
  )},
  'checks', ${q(
    array(`SELECT k.conname, pg_catalog.json_build_object('name', k.conname, 'valid', k.convalidated, 'inherited', NOT k.connoinherit,
       'definition', pg_catalog.pg_get_constraintdef(k.oid))
     FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'c'`),
  )},
  'indexes', ${q(
    array(`SELECT i.relname, pg_catalog.json_build_object('name', i.relname, 'unique', x.indisunique, 'valid', x.indisvalid,
       'constraint', k.contype, 'comment', pg_catalog.obj_description(i.oid, 'pg_class'),
       'plain', x.indpred IS NULL AND x.indexprs IS NULL AND NOT x.indnullsnotdistinct AND k.condeferrable IS NOT TRUE
         AND NOT EXISTS (SELECT FROM pg_catalog.unnest(x.indclass::pg_catalog.oid[]) AS o WHERE o >= 16384::pg_catalog.oid)
         AND NOT EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest(x.indkey), pg_catalog.unnest(x.indcollation)) AS w(attnum, collated)
           JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = w.attnum
           WHERE w.collated IS NOT NULL AND w.collated <> a.attcollation),
       'using', u.using, 'definition', COALESCE(pg_catalog.pg_get_constraintdef(k.oid), u.using),
       'columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY w.place)
          FROM pg_catalog.unnest(x.indkey) WITH ORDINALITY AS w(attnum, place)
          LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = w.attnum AND w.attnum > 0
          WHERE w.place <= x.indnkeyatts))
     FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
     LEFT JOIN pg_catalog.pg_constraint AS k ON k.conindid = i.oid AND k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x')
     CROSS JOIN LATERAL (SELECT pg_catalog.substr(pg_catalog.pg_get_indexdef(i.oid), 1 + pg_catalog.length(pg_catalog.format(
        'CREATE %sINDEX %I ON %I.%I ', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END, i.relname, n.nspname, c.relname)))) AS u("using")
     WHERE x.indrelid = c.oid`),
  )},
  'foreignKeys', ${q(
    array(`SELECT k.conname, pg_catalog.json_build_object('name', k.conname, 'valid', k.convalidated, 'self', k.confrelid = c.oid,
       'allowed', pg_catalog.has_table_privilege(k.confrelid, 'UPDATE, DELETE, TRUNCATE')
         AND pg_catalog.has_any_column_privilege(k.confrelid, 'REFERENCES'),
       'definition', pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', ''),
       'references', pg_catalog.json_build_object('schema', rn.nspname, 'name', r.relname))
     FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS r ON r.oid = k.confrelid
     JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
     WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0::pg_catalog.oid`),
  )},
  'triggers', ${q(
    array(`SELECT t.tgname, pg_catalog.json_build_object('name', t.tgname, 'enabled', t.tgenabled,
       'row', t.tgtype & 1::pg_catalog.int2 <> 0::pg_catalog.int2, 'before', t.tgtype & 2::pg_catalog.int2 <> 0::pg_catalog.int2,
       'transition', t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL, 'constraint', t.tgconstraint <> 0::pg_catalog.oid,
       'source', CASE WHEN l.lanname IN ('plpgsql', 'sql') THEN p.prosrc END, 'definition', pg_catalog.pg_get_triggerdef(t.oid))
     FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
     JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.pronamespace
     WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgparentid = 0::pg_catalog.oid AND pn.nspname <> ${sql`${toolSchema}`.text}`),
  )},
  'policies', ${q(
    array(`SELECT p.polname, pg_catalog.json_build_object('name', p.polname, 'sql', pg_catalog.format('CREATE POLICY %I ON %I.%I AS %s FOR %s TO %s%s%s',
       p.polname, n.nspname, c.relname, CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
       CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
       (SELECT pg_catalog.string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r)) END, ', ')
        FROM pg_catalog.unnest(p.polroles) AS r),
       COALESCE(' USING (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')', ''),
       COALESCE(' WITH CHECK (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')))
     FROM pg_catalog.pg_policy AS p WHERE p.polrelid = c.oid`),
  )},
  'publications', ${q(
    array(`SELECT b.pubname, pg_catalog.json_build_object('name', b.pubname, 'viaRoot', b.pubviaroot, 'owned', pg_catalog.pg_has_role(b.pubowner, 'USAGE'),
       'all', b.puballtables OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace AS pn WHERE pn.pnpubid = b.oid AND pn.pnnspid = c.relnamespace),
       'plain', COALESCE(r.prqual IS NULL AND r.prattrs IS NULL, true))
     FROM pg_catalog.pg_publication AS b LEFT JOIN pg_catalog.pg_publication_rel AS r ON r.prpubid = b.oid AND r.prrelid = c.oid
     WHERE r.oid IS NOT NULL OR b.puballtables
       OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace AS pn WHERE pn.pnpubid = b.oid AND pn.pnnspid = c.relnamespace)`),
  )},
  'dependents', ${q(
    array(`SELECT DISTINCT ON (d.classid, d.objid) d.classid::pg_catalog.text || d.objid::pg_catalog.text, pg_catalog.json_build_object(
       'described', pg_catalog.pg_describe_object(d.classid, d.objid, 0),
       'kind', CASE WHEN v.relkind = 'v' AND w.ev_type = '1' AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass THEN 'view'
                    WHEN p.prosqlbody IS NOT NULL AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass THEN 'function'
                    WHEN k.contype = 'f' THEN 'inbound' ELSE 'other' END,
       'sql', CASE WHEN v.relkind = 'v' THEN pg_catalog.format('CREATE OR REPLACE VIEW %I.%I%s AS %s', vn.nspname, v.relname,
                 ' WITH (' || pg_catalog.array_to_string(v.reloptions, ', ') || ')', pg_catalog.rtrim(pg_catalog.pg_get_viewdef(v.oid), ';'))
               WHEN p.prosqlbody IS NOT NULL THEN pg_catalog.pg_get_functiondef(p.oid) END,
       'owned', COALESCE(pg_catalog.pg_has_role(COALESCE(v.relowner, p.proowner, r.relowner), 'USAGE'), false),
       'inbound', CASE WHEN k.contype = 'f' THEN pg_catalog.json_build_object('name', k.conname,
         'table', pg_catalog.json_build_object('schema', rn.nspname, 'name', r.relname),
         'key', (SELECT i.relname FROM pg_catalog.pg_class AS i WHERE i.oid = k.conindid),
         'columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY w.place) FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS w(attnum, place)
           JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = w.attnum),
         'definition', pg_catalog.replace(pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', ''),
           pg_catalog.format(' REFERENCES %I.%I(', n.nspname, c.relname), ' REFERENCES @('),
         'valid', k.convalidated, 'plain', r.relkind = 'r' AND k.conparentid = 0::pg_catalog.oid,
         'passive', k.confdeltype = 'a' AND k.confupdtype = 'a') END)
     FROM pg_catalog.pg_depend AS d
     LEFT JOIN pg_catalog.pg_rewrite AS w ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.oid = d.objid
     LEFT JOIN pg_catalog.pg_class AS v ON v.oid = w.ev_class
     LEFT JOIN pg_catalog.pg_namespace AS vn ON vn.oid = v.relnamespace
     LEFT JOIN pg_catalog.pg_proc AS p ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.objid
     LEFT JOIN pg_catalog.pg_constraint AS k ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid
     LEFT JOIN pg_catalog.pg_class AS r ON k.contype = 'f' AND r.oid = k.conrelid
     LEFT JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
     LEFT JOIN pg_catalog.pg_class AS o ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.oid = d.objid
     WHERE (d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid
            -- Its row type, and its keys, which a view may need for its GROUP BY.
         OR d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid IN (c.reltype, (SELECT y.typarray FROM pg_catalog.pg_type AS y WHERE y.oid = c.reltype))
         OR d.refclassid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            AND d.refobjid IN (SELECT own.oid FROM pg_catalog.pg_constraint AS own WHERE own.conrelid = c.oid))
       AND NOT (d.deptype = 'i' AND d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass)
       AND (k.oid IS NULL OR k.conrelid <> c.oid)
       AND (o.oid IS NULL OR NOT (o.relkind IN ('i', 'S', 't')))
       AND NOT (o.oid IS NOT NULL AND o.oid = c.oid)
       AND d.classid NOT IN ('pg_catalog.pg_trigger'::pg_catalog.regclass, 'pg_catalog.pg_publication_rel'::pg_catalog.regclass,
         'pg_catalog.pg_statistic_ext'::pg_catalog.regclass)
       AND NOT (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
         AND EXISTS (SELECT FROM pg_catalog.pg_attrdef AS f WHERE f.oid = d.objid AND f.adrelid = c.oid))
       AND NOT (d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
         AND EXISTS (SELECT FROM pg_catalog.pg_policy AS f WHERE f.oid = d.objid AND f.polrelid = c.oid))
     ORDER BY d.classid, d.objid, (d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass)`),
  )}
) AS facts
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = ${oid}`;
}

/** The name of the table as SQL. */
export function nameSql({ schema, name }: TableName): string {
  return ident(schema, name).text;
}

/** The table that is converted as it is called now, as SQL; null where it is gone. */
export async function sourceNow(
  session: Session,
  { sourceOid }: { readonly sourceOid: number },
): Promise<string | null> {
  const [row] = await session.rows<TableName & Record<string, unknown>>(
    sql`SELECT n.nspname AS schema, c.relname AS name FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = ${sourceOid}::pg_catalog.oid`,
  );
  return row === undefined ? null : nameSql(row);
}
