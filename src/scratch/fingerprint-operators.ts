import { raw, type Sql, sql } from '../postgres/sql.ts';
import { facts, list, notOfExtension, type ObjectKind, ownObject } from './fingerprint-facts.ts';

/** What extends the language of queries: operators and their classes, casts, collations, conversions, text search. */
export function operatorKinds(): ObjectKind[] {
  return [
    operators,
    operatorFamilies,
    operatorClasses,
    accessMethods,
    casts,
    transforms,
    collations,
    conversions,
    ...textSearch,
  ];
}

const inSchema = (catalog: string, row: string, namespace: string): Sql =>
  sql`${raw(`${row}.${namespace}`)} IN (SELECT s.oid FROM schemas AS s) AND ${notOfExtension(catalog, row)}`;

const identity = (catalog: string, oid: Sql): Sql =>
  sql`(SELECT i.identity FROM pg_catalog.pg_identify_object(${`pg_catalog.${catalog}`}::pg_catalog.regclass, ${oid}, 0) AS i)`;

const operators: ObjectKind = {
  catalog: 'pg_operator',
  row: 'o',
  from: sql`pg_catalog.pg_operator AS o WHERE ${inSchema('pg_operator', 'o', 'oprnamespace')}`,
  definition: facts({
    function: sql`o.oprcode::pg_catalog.regprocedure`,
    commutator: sql`nullif(o.oprcom, 0)::pg_catalog.regoperator`,
    negator: sql`nullif(o.oprnegate, 0)::pg_catalog.regoperator`,
    restrict: sql`nullif(o.oprrest, 0)`,
    join: sql`nullif(o.oprjoin, 0)`,
    hashes: sql`nullif(o.oprcanhash, FALSE)`,
    merges: sql`nullif(o.oprcanmerge, FALSE)`,
  }),
  owner: raw('o.oprowner'),
};

const operatorFamilies: ObjectKind = {
  catalog: 'pg_opfamily',
  row: 'f',
  from: sql`pg_catalog.pg_opfamily AS f WHERE ${inSchema('pg_opfamily', 'f', 'opfnamespace')}`,
  definition: facts({
    operators: list(
      sql`pg_catalog.jsonb_build_array(a.amopstrategy, a.amopopr::pg_catalog.regoperator, a.amoppurpose)`,
      sql`pg_catalog.pg_amop AS a WHERE a.amopfamily = f.oid`,
      sql`a.amopstrategy, a.amopopr::pg_catalog.regoperator::pg_catalog.text COLLATE "C"`,
    ),
    functions: list(
      sql`pg_catalog.jsonb_build_array(a.amprocnum, pg_catalog.format_type(a.amproclefttype, NULL),
        pg_catalog.format_type(a.amprocrighttype, NULL), a.amproc::pg_catalog.regprocedure)`,
      sql`pg_catalog.pg_amproc AS a WHERE a.amprocfamily = f.oid`,
      sql`a.amprocnum, a.amproc::pg_catalog.regprocedure::pg_catalog.text COLLATE "C",
        pg_catalog.format_type(a.amproclefttype, NULL) COLLATE "C", pg_catalog.format_type(a.amprocrighttype, NULL) COLLATE "C"`,
    ),
  }),
  owner: raw('f.opfowner'),
};

const operatorClasses: ObjectKind = {
  catalog: 'pg_opclass',
  row: 'c',
  from: sql`pg_catalog.pg_opclass AS c WHERE ${inSchema('pg_opclass', 'c', 'opcnamespace')}`,
  definition: facts({
    family: identity('pg_opfamily', raw('c.opcfamily')),
    type: sql`pg_catalog.format_type(c.opcintype, NULL)`,
    default: raw('c.opcdefault'),
    stored: sql`pg_catalog.format_type(nullif(c.opckeytype, 0), NULL)`,
  }),
  owner: raw('c.opcowner'),
};

const accessMethods: ObjectKind = {
  catalog: 'pg_am',
  row: 'm',
  from: sql`pg_catalog.pg_am AS m WHERE ${ownObject('pg_am', 'm')}`,
  definition: facts({ type: raw('m.amtype'), function: raw('m.amhandler') }),
};

const casts: ObjectKind = {
  catalog: 'pg_cast',
  row: 'c',
  from: sql`pg_catalog.pg_cast AS c WHERE ${ownObject('pg_cast', 'c')}`,
  definition: facts({
    function: sql`nullif(c.castfunc, 0)::pg_catalog.regprocedure`,
    context: raw('c.castcontext'),
    method: raw('c.castmethod'),
  }),
};

const transforms: ObjectKind = {
  catalog: 'pg_transform',
  row: 't',
  from: sql`pg_catalog.pg_transform AS t WHERE ${ownObject('pg_transform', 't')}`,
  definition: facts({
    from: sql`t.trffromsql::pg_catalog.oid::pg_catalog.regprocedure`,
    to: sql`t.trftosql::pg_catalog.oid::pg_catalog.regprocedure`,
  }),
};

const collations: ObjectKind = {
  catalog: 'pg_collation',
  row: 'c',
  from: sql`pg_catalog.pg_collation AS c WHERE ${inSchema('pg_collation', 'c', 'collnamespace')}`,
  definition: sql`(pg_catalog.to_jsonb(c) - ARRAY['oid', 'collname', 'collnamespace', 'collowner', 'collversion'])::pg_catalog.text`,
  owner: raw('c.collowner'),
};

const conversions: ObjectKind = {
  catalog: 'pg_conversion',
  row: 'c',
  from: sql`pg_catalog.pg_conversion AS c WHERE ${inSchema('pg_conversion', 'c', 'connamespace')}`,
  definition: sql`(pg_catalog.to_jsonb(c) - ARRAY['oid', 'conname', 'connamespace', 'conowner'])::pg_catalog.text`,
  owner: raw('c.conowner'),
};

const textSearch: ObjectKind[] = [
  {
    catalog: 'pg_ts_config',
    row: 'c',
    from: sql`pg_catalog.pg_ts_config AS c WHERE ${inSchema('pg_ts_config', 'c', 'cfgnamespace')}`,
    definition: facts({
      parser: identity('pg_ts_parser', raw('c.cfgparser')),
      mapping: list(
        sql`pg_catalog.jsonb_build_array(m.maptokentype, m.mapdict::pg_catalog.regdictionary)`,
        sql`pg_catalog.pg_ts_config_map AS m WHERE m.mapcfg = c.oid`,
        raw('m.maptokentype, m.mapseqno'),
      ),
    }),
    owner: raw('c.cfgowner'),
  },
  {
    catalog: 'pg_ts_dict',
    row: 'd',
    from: sql`pg_catalog.pg_ts_dict AS d WHERE ${inSchema('pg_ts_dict', 'd', 'dictnamespace')}`,
    definition: facts({
      template: identity('pg_ts_template', raw('d.dicttemplate')),
      options: raw('d.dictinitoption'),
    }),
    owner: raw('d.dictowner'),
  },
  {
    catalog: 'pg_ts_parser',
    row: 'p',
    from: sql`pg_catalog.pg_ts_parser AS p WHERE ${inSchema('pg_ts_parser', 'p', 'prsnamespace')}`,
    definition: sql`(pg_catalog.to_jsonb(p) - ARRAY['oid', 'prsname', 'prsnamespace'])::pg_catalog.text`,
  },
  {
    catalog: 'pg_ts_template',
    row: 't',
    from: sql`pg_catalog.pg_ts_template AS t WHERE ${inSchema('pg_ts_template', 't', 'tmplnamespace')}`,
    definition: sql`(pg_catalog.to_jsonb(t) - ARRAY['oid', 'tmplname', 'tmplnamespace'])::pg_catalog.text`,
  },
];
