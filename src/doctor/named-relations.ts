import { type Sql, sql } from '../postgres/sql.ts';
import type { RelationName } from './table-names.ts';

/**
 * A query for the relations of these names that are there: `position` (from 1), `oid`, and `table_oid`, which for an
 * index is its table's. The catalog is read and nothing is opened: to_regclass fails where a schema may not be used, and
 * whoever holds a lock would be waited for.
 */
export function namedRelations(names: readonly RelationName[]): Sql {
  return sql`SELECT w.position, c.oid, COALESCE(x.indrelid, c.oid) AS table_oid
FROM ROWS FROM (pg_catalog.unnest(${names.map(({ schema }) => schema ?? '')}), pg_catalog.unnest(${names.map(({ name }) => name)})) WITH ORDINALITY AS w(schema, name, position)
JOIN pg_catalog.pg_class AS c ON c.relname = w.name AND c.relkind::pg_catalog.text = ANY (${['r', 'p', 'v', 'm', 'f', 'i', 'I']})
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname::pg_catalog.text <> ALL (${['pg_catalog', 'information_schema']})
LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid = c.oid
WHERE CASE w.schema WHEN '' THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname::pg_catalog.text = w.schema END`;
}
