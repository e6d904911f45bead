import { raw, type Sql, sql } from '../postgres/sql.ts';
import { facts, grantText, list, notOfExtension, type ObjectKind, optionList, ownObject } from './fingerprint-facts.ts';

/** Types, functions, and what belongs to the database as a whole. */
export function objectKinds(): ObjectKind[] {
  return [
    database,
    types,
    functions,
    aggregates,
    extensions,
    eventTriggers,
    publications,
    subscriptions,
    defaultGrants,
    languages,
    wrappers,
    servers,
    userMappings,
  ];
}

const database: ObjectKind = {
  catalog: 'pg_database',
  row: 'd',
  from: sql`pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()`,
  definition: facts({
    settings: list(
      sql`pg_catalog.jsonb_build_array(CASE WHEN s.setrole <> 0 THEN pg_catalog.pg_get_userbyid(s.setrole) END, ${optionList(raw('s.setconfig'))})`,
      sql`pg_catalog.pg_db_role_setting AS s WHERE s.setdatabase = d.oid`,
      sql`CASE WHEN s.setrole = 0 THEN '' ELSE pg_catalog.pg_get_userbyid(s.setrole)::pg_catalog.text END COLLATE "C"`,
    ),
  }),
  owner: raw('d.datdba'),
  acl: { list: raw('d.datacl'), letter: sql`'d'` },
};

const types: ObjectKind = {
  catalog: 'pg_type',
  row: 't',
  from: sql`types AS t LEFT JOIN pg_catalog.pg_range AS r ON r.rngtypid = t.oid`,
  definition: facts({
    // The attributes of a composite type are columns.
    kind: sql`CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range' WHEN 'c' THEN 'composite'
      WHEN 'p' THEN 'shell' ELSE 'base' END`,
    labels: list(raw('e.enumlabel'), sql`pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid`, raw('e.enumsortorder')),
    of: sql`pg_catalog.format_type(nullif(t.typbasetype, 0), t.typtypmod)`,
    'not null': sql`nullif(t.typnotnull, FALSE)`,
    default: raw('t.typdefault'),
    collation: sql`nullif(t.typcollation, 0)::pg_catalog.regcollation`,
    range: sql`CASE WHEN r.rngtypid IS NOT NULL THEN pg_catalog.jsonb_build_object(
      'subtype', pg_catalog.format_type(r.rngsubtype, NULL), 'multirange', pg_catalog.format_type(r.rngmultitypid, NULL),
      'collation', nullif(r.rngcollation, 0)::pg_catalog.regcollation, 'canonical', r.rngcanonical, 'difference', r.rngsubdiff,
      'operator class', (SELECT o.identity FROM pg_catalog.pg_identify_object('pg_catalog.pg_opclass'::pg_catalog.regclass, r.rngsubopc, 0) AS o)
    ) END`,
    functions: sql`CASE WHEN t.typtype = 'b' THEN pg_catalog.jsonb_build_array(t.typinput, t.typoutput, t.typreceive, t.typsend,
      t.typmodin, t.typmodout, t.typanalyze, t.typlen, t.typbyval, t.typalign, t.typstorage, t.typcategory, t.typispreferred,
      t.typdelim, pg_catalog.format_type(nullif(t.typelem, 0), NULL)) END`,
  }),
  owner: raw('t.typowner'),
  acl: { list: raw('t.typacl'), letter: sql`'T'` },
};

// Without the constructors of range types, which come and go with their type.
const functionsOf = (kinds: Sql) => sql`pg_catalog.pg_proc AS p
  WHERE p.pronamespace IN (SELECT s.oid FROM schemas AS s) AND p.prokind IN (${kinds}) AND ${notOfExtension('pg_proc', 'p')}
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'i')`;
const functionGrants = { owner: raw('p.proowner'), acl: { list: raw('p.proacl'), letter: sql`'f'` } };

const functions: ObjectKind = {
  catalog: 'pg_proc',
  row: 'p',
  from: functionsOf(sql`'f', 'p', 'w'`),
  definition: sql`pg_catalog.pg_get_functiondef(p.oid)`,
  ...functionGrants,
};

// Everything pg_aggregate says, with names in place of its three OIDs; pg_get_functiondef() refuses aggregates.
const aggregates: ObjectKind = {
  catalog: 'pg_proc',
  row: 'p',
  from: functionsOf(sql`'a'`),
  definition: facts({
    parallel: raw('p.proparallel'),
    returns: sql`pg_catalog.format_type(p.prorettype, NULL)`,
    definition: sql`(SELECT pg_catalog.to_jsonb(a) - ARRAY['aggfnoid', 'aggsortop', 'aggtranstype', 'aggmtranstype'] || pg_catalog.jsonb_build_object(
        'state', pg_catalog.format_type(a.aggtranstype, NULL), 'moving state', pg_catalog.format_type(nullif(a.aggmtranstype, 0), NULL),
        'sort operator', nullif(a.aggsortop, 0)::pg_catalog.regoperator)
      FROM pg_catalog.pg_aggregate AS a WHERE a.aggfnoid = p.oid)`,
  }),
  ...functionGrants,
};

const extensions: ObjectKind = {
  catalog: 'pg_extension',
  row: 'e',
  from: sql`pg_catalog.pg_extension AS e`,
  definition: facts({
    schema: sql`e.extnamespace::pg_catalog.regnamespace`,
    version: raw('e.extversion'),
  }),
  owner: raw('e.extowner'),
};

const eventTriggers: ObjectKind = {
  catalog: 'pg_event_trigger',
  row: 't',
  from: sql`pg_catalog.pg_event_trigger AS t WHERE ${notOfExtension('pg_event_trigger', 't')}`,
  definition: facts({
    event: raw('t.evtevent'),
    tags: sql`pg_catalog.to_jsonb(t.evttags)`,
    function: sql`t.evtfoid::pg_catalog.regprocedure`,
    enabled: sql`nullif(t.evtenabled, 'O')`,
  }),
  owner: raw('t.evtowner'),
};

const publications: ObjectKind = {
  catalog: 'pg_publication',
  row: 'p',
  from: sql`pg_catalog.pg_publication AS p`,
  definition: facts({
    // The whole row, since every major version adds a column.
    options: sql`pg_catalog.to_jsonb(p) - ARRAY['oid', 'pubname', 'pubowner']`,
    tables: list(
      sql`pg_catalog.jsonb_build_array(m.prrelid::pg_catalog.regclass, pg_catalog.pg_get_expr(m.prqual, m.prrelid), ${list(
        raw('a.attname'),
        sql`pg_catalog.pg_attribute AS a WHERE a.attrelid = m.prrelid AND a.attnum = ANY (m.prattrs)`,
        raw('a.attnum'),
      )})`,
      sql`pg_catalog.pg_publication_rel AS m WHERE m.prpubid = p.oid`,
      sql`m.prrelid::pg_catalog.regclass::pg_catalog.text COLLATE "C"`,
    ),
    schemas: list(
      sql`m.pnnspid::pg_catalog.regnamespace`,
      sql`pg_catalog.pg_publication_namespace AS m WHERE m.pnpubid = p.oid`,
      sql`m.pnnspid::pg_catalog.regnamespace::pg_catalog.text COLLATE "C"`,
    ),
  }),
  owner: raw('p.pubowner'),
};

// Column by column: subconninfo holds a password, and only a superuser may read it.
const subscriptions: ObjectKind = {
  catalog: 'pg_subscription',
  row: 's',
  from: sql`pg_catalog.pg_subscription AS s
    WHERE s.subdbid = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())`,
  definition: facts({
    enabled: raw('s.subenabled'),
    binary: raw('s.subbinary'),
    streaming: raw('s.substream'),
    'slot name': raw('s.subslotname'),
    'synchronous commit': raw('s.subsynccommit'),
    publications: sql`pg_catalog.to_jsonb(s.subpublications)`,
  }),
  owner: raw('s.subowner'),
};

const defaultGrants: ObjectKind = {
  catalog: 'pg_default_acl',
  row: 'd',
  from: sql`pg_catalog.pg_default_acl AS d WHERE d.defaclnamespace = 0 OR d.defaclnamespace IN (SELECT s.oid FROM schemas AS s)`,
  definition: sql`coalesce(${grantText(raw('d.defaclacl'))}, '')`,
};

const languages: ObjectKind = {
  catalog: 'pg_language',
  row: 'l',
  from: sql`pg_catalog.pg_language AS l WHERE ${ownObject('pg_language', 'l')}`,
  definition: facts({
    trusted: raw('l.lanpltrusted'),
    handler: sql`l.lanplcallfoid::pg_catalog.regprocedure`,
    inline: sql`l.laninline::pg_catalog.regprocedure`,
    validator: sql`l.lanvalidator::pg_catalog.regprocedure`,
  }),
  owner: raw('l.lanowner'),
  acl: { list: raw('l.lanacl'), letter: sql`'l'` },
};

const wrappers: ObjectKind = {
  catalog: 'pg_foreign_data_wrapper',
  row: 'w',
  from: sql`pg_catalog.pg_foreign_data_wrapper AS w WHERE ${notOfExtension('pg_foreign_data_wrapper', 'w')}`,
  definition: facts({
    handler: sql`w.fdwhandler::pg_catalog.regprocedure`,
    validator: sql`w.fdwvalidator::pg_catalog.regprocedure`,
    options: optionList(raw('w.fdwoptions')),
  }),
  owner: raw('w.fdwowner'),
  acl: { list: raw('w.fdwacl'), letter: sql`'F'` },
};

const servers: ObjectKind = {
  catalog: 'pg_foreign_server',
  row: 's',
  from: sql`pg_catalog.pg_foreign_server AS s JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw
    WHERE ${notOfExtension('pg_foreign_server', 's')}`,
  definition: facts({
    wrapper: raw('w.fdwname'),
    type: raw('s.srvtype'),
    version: raw('s.srvversion'),
    options: optionList(raw('s.srvoptions')),
  }),
  owner: raw('s.srvowner'),
  acl: { list: raw('s.srvacl'), letter: sql`'S'` },
};

// That it is there: its options hold a password, and the view shows them only to whom they belong.
const userMappings: ObjectKind = {
  catalog: 'pg_user_mapping',
  row: 'm',
  from: sql`(SELECT u.umid AS oid FROM pg_catalog.pg_user_mappings AS u) AS m`,
  definition: facts({}),
};
