import { raw, type Sql, sql } from '../postgres/sql.ts';
import { facts, list, type ObjectKind, optionList } from './fingerprint-facts.ts';

/** Schemas, relations, and what belongs to one relation. Facts that are as PostgreSQL would have them anyway are NULL. */
export function relationKinds(): ObjectKind[] {
  return [schemas, relations, columns, constraints, indexes, triggers, rules, policies, statistics];
}

const schemas: ObjectKind = {
  catalog: 'pg_namespace',
  row: 'n',
  from: sql`pg_catalog.pg_namespace AS n JOIN schemas USING (oid)`,
  definition: facts({}),
  owner: raw('n.nspowner'),
  acl: { list: raw('n.nspacl'), letter: sql`'n'` },
};

const tablespace = sql`(SELECT t.spcname FROM pg_catalog.pg_tablespace AS t WHERE t.oid = c.reltablespace)`;
const parents = list(
  sql`i.inhparent::pg_catalog.regclass::pg_catalog.text || CASE WHEN i.inhdetachpending THEN ' (detach pending)' ELSE '' END`,
  sql`pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid`,
  raw('i.inhseqno'),
);

const sequence = sql`(SELECT pg_catalog.jsonb_build_object('type', pg_catalog.format_type(s.seqtypid, NULL), 'start', s.seqstart,
    'increment', s.seqincrement, 'minimum', s.seqmin, 'maximum', s.seqmax, 'cache', s.seqcache, 'cycle', s.seqcycle)
  FROM pg_catalog.pg_sequence AS s WHERE s.seqrelid = c.oid)`;
const sequenceOwner = list(
  raw('o.identity'),
  sql`pg_catalog.pg_depend AS d, pg_catalog.pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid) AS o
    WHERE c.relkind = 'S' AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
      AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0`,
  raw('o.identity COLLATE "C"'),
);
const foreign = (value: Sql) => sql`(SELECT ${value} FROM pg_catalog.pg_foreign_table AS f
  JOIN pg_catalog.pg_foreign_server AS s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid)`;

const relations: ObjectKind = {
  catalog: 'pg_class',
  row: 'c',
  from: sql`relations AS c WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')`,
  definition: facts({
    persistence: sql`nullif(c.relpersistence, 'p')`,
    'access method': sql`(SELECT a.amname FROM pg_catalog.pg_am AS a WHERE a.oid = c.relam)`,
    tablespace,
    options: optionList(raw('c.reloptions')),
    'toast options': optionList(sql`(SELECT t.reloptions FROM pg_catalog.pg_class AS t WHERE t.oid = c.reltoastrelid)`),
    'of type': sql`pg_catalog.format_type(nullif(c.reloftype, 0), NULL)`,
    parents,
    'partition by': sql`pg_catalog.pg_get_partkeydef(c.oid)`,
    'partition bound': sql`pg_catalog.pg_get_expr(c.relpartbound, c.oid)`,
    'row security': sql`nullif(c.relrowsecurity, FALSE)`,
    'row security forced': sql`nullif(c.relforcerowsecurity, FALSE)`,
    // Tables have 'd', everything else 'n'.
    'replica identity': sql`CASE WHEN c.relkind IN ('r', 'p') THEN nullif(c.relreplident, 'd') END`,
    populated: sql`nullif(c.relispopulated, TRUE)`,
    query: sql`CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END`,
    server: foreign(raw('s.srvname')),
    'foreign options': foreign(optionList(raw('f.ftoptions'))),
    sequence,
    'owned by': sequenceOwner,
  }),
  owner: raw('c.relowner'),
  acl: { list: raw('c.relacl'), letter: sql`CASE WHEN c.relkind = 'S' THEN 's' ELSE 'r' END` },
};

const columns: ObjectKind = {
  catalog: 'pg_class',
  row: 'a',
  from: sql`(
    SELECT c.oid, a.*,
      pg_catalog.lag(a.attname) OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS predecessor
    FROM relations AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND a.attnum > 0 AND NOT a.attisdropped
  ) AS a
  JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum`,
  column: raw('a.attnum'),
  definition: facts({
    // The neighbour and not the number: numbers have gaps where columns were dropped, and all later ones would differ.
    after: raw('a.predecessor'),
    type: sql`pg_catalog.format_type(a.atttypid, a.atttypmod)`,
    'not null': sql`nullif(a.attnotnull, FALSE)`,
    default: sql`pg_catalog.pg_get_expr(d.adbin, d.adrelid)`,
    identity: sql`nullif(a.attidentity, '')`,
    generated: sql`nullif(a.attgenerated, '')`,
    collation: sql`CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::pg_catalog.regcollation END`,
    storage: sql`nullif(a.attstorage, t.typstorage)`,
    compression: sql`nullif(a.attcompression, '')`,
    statistics: sql`nullif(a.attstattarget, -1)`,
    options: optionList(raw('a.attoptions')),
    'foreign options': optionList(raw('a.attfdwoptions')),
    inherited: sql`nullif(a.attinhcount, 0)`,
    local: sql`nullif(a.attislocal, TRUE)`,
  }),
  acl: { list: raw('a.attacl'), letter: sql`'c'` },
};

const constraints: ObjectKind = {
  catalog: 'pg_constraint',
  row: 'c',
  // A constraint trigger ('t') is among the triggers.
  from: sql`pg_catalog.pg_constraint AS c
    WHERE c.contype <> 't' AND (c.conrelid IN (SELECT r.oid FROM relations AS r) OR c.contypid IN (SELECT t.oid FROM types AS t))`,
  definition: facts({
    definition: sql`pg_catalog.pg_get_constraintdef(c.oid)`,
    inherited: sql`nullif(c.coninhcount, 0)`,
    local: sql`nullif(c.conislocal, TRUE)`,
    // DISABLE TRIGGER ALL switches a foreign key off without a trace in the constraint itself.
    triggers: list(
      raw('t.tgenabled'),
      sql`(SELECT DISTINCT g.tgenabled FROM pg_catalog.pg_trigger AS g
        WHERE g.tgconstraint = c.oid AND g.tgisinternal AND g.tgenabled <> 'O') AS t`,
      raw('t.tgenabled'),
    ),
  }),
};

const indexes: ObjectKind = {
  catalog: 'pg_class',
  row: 'c',
  from: sql`pg_catalog.pg_index AS x JOIN relations AS r ON r.oid = x.indrelid JOIN pg_catalog.pg_class AS c ON c.oid = x.indexrelid`,
  definition: facts({
    definition: sql`pg_catalog.pg_get_indexdef(c.oid)`,
    valid: sql`nullif(x.indisvalid, TRUE)`,
    ready: sql`nullif(x.indisready, TRUE)`,
    'replica identity': sql`nullif(x.indisreplident, FALSE)`,
    'clustered on': sql`nullif(x.indisclustered, FALSE)`,
    tablespace,
    parents,
    statistics: list(
      sql`pg_catalog.jsonb_build_array(a.attnum, a.attstattarget)`,
      sql`pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attstattarget >= 0`,
      raw('a.attnum'),
    ),
  }),
};

const triggers: ObjectKind = {
  catalog: 'pg_trigger',
  row: 't',
  from: sql`pg_catalog.pg_trigger AS t JOIN relations AS r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal`,
  definition: facts({
    definition: sql`pg_catalog.pg_get_triggerdef(t.oid)`,
    enabled: sql`nullif(t.tgenabled, 'O')`,
    // A copy on a partition goes with its parent; one made there by hand does not.
    inherited: sql`nullif(t.tgparentid <> 0, FALSE)`,
  }),
};

const rules: ObjectKind = {
  catalog: 'pg_rewrite',
  row: 'w',
  from: sql`pg_catalog.pg_rewrite AS w JOIN relations AS r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'`,
  definition: facts({
    definition: sql`pg_catalog.pg_get_ruledef(w.oid)`,
    enabled: sql`nullif(w.ev_enabled, 'O')`,
  }),
};

const policies: ObjectKind = {
  catalog: 'pg_policy',
  row: 'p',
  from: sql`pg_catalog.pg_policy AS p JOIN relations AS r ON r.oid = p.polrelid`,
  definition: facts({
    command: raw('p.polcmd'),
    permissive: raw('p.polpermissive'),
    roles: list(
      sql`CASE WHEN role = 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(role)::pg_catalog.text END`,
      sql`pg_catalog.unnest(p.polroles) AS role`,
      sql`CASE WHEN role = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(role)::pg_catalog.text END COLLATE "C"`,
    ),
    using: sql`pg_catalog.pg_get_expr(p.polqual, p.polrelid)`,
    check: sql`pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)`,
  }),
};

const statistics: ObjectKind = {
  catalog: 'pg_statistic_ext',
  row: 's',
  from: sql`pg_catalog.pg_statistic_ext AS s JOIN relations AS r ON r.oid = s.stxrelid`,
  definition: facts({
    definition: sql`pg_catalog.pg_get_statisticsobjdef(s.oid)`,
    statistics: sql`nullif(s.stxstattarget, -1)`,
  }),
  owner: raw('s.stxowner'),
};
