import { PulseError } from '../errors.ts';
import type { TableName } from '../partitions/catalog.ts';
import { StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { ident, raw, sql } from '../postgres/sql.ts';
import { type Format, lineOf } from './format.ts';

/**
 * Looks for values that a format would not bring back as they were.
 * @throws {PulseError} `not-possible`, with the column.
 */
export async function assertFits(session: Session, table: TableName, format: Format): Promise<void> {
  if (format === 'jsonl') {
    await assertNoJsonNulls(session, table);
    await assertSameFromJson(session, table);
  }
  if (format === 'parquet') await assertOrdinaryTimes(session, table);
}

/** Parquet has no infinity, and what reads it no year before 1 or behind 9999. */
async function assertOrdinaryTimes(session: Session, { schema, name }: TableName): Promise<void> {
  const table = ident(schema, name);
  const columns = await session.rows<{ name: string }>(sql`SELECT a.attname AS name
FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = pg_catalog.to_regclass(${table.text})::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped
  AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid
  AND t.typname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (ARRAY['date', 'timestamp', 'timestamptz'])`);
  for (const column of columns) {
    // Of every kind of time, and whatever the zone of the session is: a day more or less does no harm at these ends.
    const time = sql`${ident(column.name)}::pg_catalog.timestamp`;
    const held = await session.rows(sql`SELECT FROM ONLY ${table}
WHERE ${time} OPERATOR(pg_catalog.<) '0001-01-02' OR ${time} OPERATOR(pg_catalog.>) '9999-12-30' LIMIT 1`);
    if (held.length === 0) continue;
    throw new PulseError(
      'not-possible',
      `column ${column.name} of ${name} holds a time that Parquet has no place for: infinity, or a year before 1 or behind 9999`,
      {
        hint: 'archive it as CSV: --format csv',
      },
    );
  }
}

/**
 * Makes each row of its line again and compares: bounds of arrays, types with a JSON of their own, white space in a json
 * value. Lines of the same bytes do not say that the rows are the same.
 */
async function assertSameFromJson(session: Session, { schema, name }: TableName): Promise<void> {
  const table = ident(schema, name);
  const unfit = new PulseError('not-possible', `${name} holds values that lines of JSON cannot bring back exactly`, {
    hint: 'archive it as CSV: --format csv',
  });
  try {
    const other = await session.rows(sql`SELECT FROM ONLY ${table} AS p
WHERE (pg_catalog.json_populate_record(NULL::${table}, ${lineOf('p')}::pg_catalog.json))::pg_catalog.text IS DISTINCT FROM p::pg_catalog.text LIMIT 1`);
    if (other.length === 0) return;
  } catch (error) {
    // invalid_text_representation and the like: its JSON is no JSON of its type.
    if (!(error instanceof StatementError && /^(22|XX000)/.test(error.sqlstate))) throw error;
  }
  throw unfit;
}

/** In JSON a value that is JSON's null looks like no value at all, and would come back as that. */
async function assertNoJsonNulls(session: Session, { schema, name }: TableName): Promise<void> {
  const table = ident(schema, name);
  const columns = await session.rows<{
    name: string;
    plain: boolean;
  }>(sql`SELECT a.attname AS name, t.typcategory <> 'A' AS plain
FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type AS b ON b.oid IN (t.typbasetype, t.typelem)
WHERE a.attrelid = pg_catalog.to_regclass(${table.text})::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped
  AND (t.typname IN ('json', 'jsonb') OR b.typname IN ('json', 'jsonb'))`);
  for (const column of columns) {
    const test = sql`${ident(column.name)}::pg_catalog.text ${column.plain ? raw("OPERATOR(pg_catalog.=) 'null'") : raw('IS NOT NULL')}`;
    const held = await session.rows(sql`SELECT FROM ONLY ${table} WHERE ${test} LIMIT 1`);
    if (held.length === 0) continue;
    throw new PulseError(
      'not-possible',
      `column ${column.name} of ${name} holds JSON that lines of JSON cannot bring back exactly`,
      {
        hint: 'archive it as CSV: --format csv',
      },
    );
  }
}
