import { type Format, formats } from '../archive-formats.ts';
import type { TableName } from '../partitions/catalog.ts';
import { ident, raw, type Sql, sql } from '../postgres/sql.ts';

export { type Format, formats };

export const suffixes: Readonly<Record<Format, string>> = { csv: 'csv.gz', jsonl: 'jsonl.gz', parquet: 'parquet' };

/**
 * What makes the same rows the same bytes, in both directions: within a transaction. Row security is refused rather
 * than obeyed, since it would leave rows out; a scan that begins in the middle would change their order.
 */
export const steadySettings =
  raw(`SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'iso_8601';
SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL xmlbinary = 'base64'; SET LOCAL search_path = '';
SET LOCAL row_security = off; SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0`);

/** JSON is one line each: a line feed can be in it only as white space of a column of type json. */
const oneLine = `FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02'`;

/** A row as a line of JSON. */
export function lineOf(row: string): Sql {
  return raw(`pg_catalog.translate(pg_catalog.row_to_json(${row})::pg_catalog.text, E'\\n\\r', '  ')`);
}

/** The statement that gives all rows of a table. */
export function copyOut(format: Format, table: TableName, columns: readonly string[]): Sql {
  const [name, listed] = [ident(table.schema, table.name), list(columns)];
  if (format !== 'jsonl') return sql`COPY ${name} (${listed}) TO STDOUT (FORMAT csv, HEADER, ENCODING 'UTF8')`;
  return sql`COPY (SELECT ${lineOf('r')} FROM (SELECT ${listed} FROM ONLY ${name}) AS r) TO STDOUT (${raw(oneLine)}, ENCODING 'UTF8')`;
}

/** Where lines of JSON wait until they are rows. */
const lines = 'pg_temp.pulse_migrate_lines';

/** What brings the rows back: before the data, the statement that takes it, and behind it. */
export function copyIn(
  format: Format,
  table: TableName,
  columns: readonly string[],
): { readonly before: Sql | null; readonly copy: Sql; readonly behind: Sql | null } {
  const [name, listed] = [ident(table.schema, table.name), list(columns)];
  if (format !== 'jsonl') {
    return {
      before: null,
      copy: sql`COPY ${name} (${listed}) FROM STDIN (FORMAT csv, HEADER, ENCODING 'UTF8')`,
      behind: null,
    };
  }
  return {
    before: raw(`CREATE TEMPORARY TABLE pulse_migrate_lines (line pg_catalog.text) ON COMMIT DROP`),
    copy: raw(`COPY ${lines} FROM STDIN (${oneLine}, ENCODING 'UTF8')`),
    behind: sql`INSERT INTO ${name} (${listed}) OVERRIDING SYSTEM VALUE
SELECT ${raw(columns.map((column) => `(r).${ident(column).text}`).join(', '))}
FROM (SELECT pg_catalog.json_populate_record(NULL::${name}, l.line::pg_catalog.json) AS r FROM ${raw(lines)} AS l) AS s`,
  };
}

function list(columns: readonly string[]): Sql {
  return raw(columns.map((column) => ident(column).text).join(', '));
}
