import { join, raw, type Sql, sql } from '../postgres/sql.ts';
import { grantText, notOfExtension, type ObjectKind } from './fingerprint-facts.ts';
import { objectKinds } from './fingerprint-objects.ts';
import { operatorKinds } from './fingerprint-operators.ts';
import { relationKinds } from './fingerprint-relations.ts';

function selectOf(kind: ObjectKind): Sql {
  return sql`SELECT ${`pg_catalog.${kind.catalog}`}::pg_catalog.regclass AS catalog, ${raw(kind.row)}.oid AS object,
    ${kind.column ?? 0}::pg_catalog.int4 AS part, ${kind.definition} AS definition,
    ${kind.owner ?? null}::pg_catalog.oid AS owner, ${kind.acl?.list ?? null}::pg_catalog.aclitem[] AS acl,
    ${kind.acl?.letter ?? null}::pg_catalog."char" AS letter
  FROM ${kind.from}`;
}

/**
 * The query for the whole catalog. It expects an empty search_path, so that everything outside pg_catalog is
 * spelled with its schema. pg_identify_object() is what names objects: never localised, always qualified.
 */
export function fingerprintQuery(excludeSchemas: readonly string[]): Sql {
  return sql`WITH schemas AS (
    SELECT n.oid FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname <> ALL (${excludeSchemas})
  ), relations AS (
    SELECT c.* FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace IN (SELECT s.oid FROM schemas AS s)
      AND ${notOfExtension('pg_class', 'c')}
      -- Of a composite type it is the pg_type row that belongs to the extension.
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_type AS t
        WHERE t.oid = c.reltype AND c.relkind = 'c' AND NOT ${notOfExtension('pg_type', 't')})
  ), types AS (
    SELECT t.* FROM pg_catalog.pg_type AS t
    WHERE t.typnamespace IN (SELECT s.oid FROM schemas AS s)
      AND ${notOfExtension('pg_type', 't')}
      -- Array types, multiranges and the row types of tables come and go with what they are made of.
      AND t.typtype <> 'm'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_type AS element WHERE element.typarray = t.oid)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = t.typrelid AND c.relkind <> 'c')
  ), described AS (
    ${join([...relationKinds(), ...objectKinds(), ...operatorKinds()].map(selectOf), '\n    UNION ALL\n    ')}
  )
  SELECT CASE
      WHEN d.catalog = 'pg_catalog.pg_database'::pg_catalog.regclass THEN 'database'
      WHEN d.part > 0 THEN 'column ' || named.identity
      ELSE named.type || ' ' || named.identity
    END AS object,
    d.definition,
    CASE WHEN d.owner IS NOT NULL THEN pg_catalog.pg_get_userbyid(d.owner)::pg_catalog.text END AS owner,
    CASE WHEN d.acl IS NOT NULL AND ${grantText(raw('d.acl'))} IS DISTINCT FROM ${grantText(raw('pg_catalog.acldefault(d.letter, d.owner)'))}
      THEN coalesce(${grantText(raw('d.acl'))}, '') END AS grants,
    (SELECT c.description FROM pg_catalog.pg_description AS c
      WHERE c.classoid = d.catalog AND c.objoid = d.object AND c.objsubid = d.part) AS comment,
    (SELECT pg_catalog.string_agg(l.provider || ': ' || l.label, ' ' ORDER BY l.provider COLLATE "C") FROM pg_catalog.pg_seclabel AS l
      WHERE l.classoid = d.catalog AND l.objoid = d.object AND l.objsubid = d.part) AS label
  FROM described AS d, pg_catalog.pg_identify_object(d.catalog, d.object, d.part) AS named
  WHERE named.identity IS NOT NULL`;
}
