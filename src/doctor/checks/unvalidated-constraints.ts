import { ident, sql } from '../../postgres/sql.ts';
import { type Check, fine } from '../check.ts';
import { firstOf } from '../first-of.ts';

export const unvalidatedConstraints: Check = {
  id: 'unvalidated-constraints',
  question: 'Does every constraint hold for all rows?',
  why: 'A constraint that was added NOT VALID and never validated says nothing of the rows that were there before.',
  beforeUp: false,
  async run({ session }) {
    // PostgreSQL 18 has constraints that are not enforced at all; earlier ones have no such column.
    const rows = await session.rows<{ schema: string; table: string; name: string }>(sql`SELECT
  n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS "table", k.conname::pg_catalog.text AS name
FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT k.convalidated AND k.conparentid = 0::pg_catalog.oid AND NOT pg_catalog.pg_is_other_temp_schema(n.oid)
  AND pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(k), 'conenforced') IS DISTINCT FROM 'false' ORDER BY 1, 2, 3`);
    const [first] = rows;
    if (first === undefined) return fine('every constraint is validated');
    return {
      outcome: 'warning',
      message: `never validated: ${firstOf(rows.map(({ schema, table, name }) => `${name} of ${ident(schema, table).text}`))}`,
      hint: `in a migration of its own: ALTER TABLE ${ident(first.schema, first.table).text} VALIDATE CONSTRAINT ${ident(first.name).text}`,
    };
  },
};
