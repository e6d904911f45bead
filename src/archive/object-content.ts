import type { Session } from '../postgres/session.ts';
import { ident, sql } from '../postgres/sql.ts';
import type { Tap } from './digest.ts';
import { gunzipped, gzipped } from './gzip.ts';
import type { Archive } from './manifest.ts';
import type { Kind, ParquetColumn } from './parquet/values.ts';
import type { Store } from './store.ts';

/** What an object is made of: the rows as the server gives them from here on, compressed or as Parquet. */
export async function objectOf(
  session: Session,
  { format, columns, partition }: Archive,
  content: () => AsyncIterable<Buffer>,
): Promise<AsyncIterable<Buffer>> {
  if (format !== 'parquet') return gzipped(content());
  const { toParquet } = await import('./parquet/write.ts');
  const own = await parquetColumns(session, partition, columns);
  return toParquet(content(), own);
}

/**
 * The rows of an archive as the server gave them, out of its object. `whole`, where it is given, sees all bytes of that.
 * @throws {PulseError} `archive-failed` for an object that is damaged.
 */
export async function* contentOf(
  { format, object }: Archive,
  store: Store,
  signal: AbortSignal,
  whole: Tap | null,
): AsyncGenerator<Buffer> {
  const shown = `${store.shown}${object}`;
  const all = () => {
    const parts = whileWanted(store.get(object), signal);
    return whole === null ? parts : whole.through(parts);
  };
  if (format !== 'parquet') return yield* gunzipped(all(), shown);
  if (whole !== null) {
    for await (const _part of all()) {
      // Only looked at.
    }
  }
  const { fromParquet } = await import('./parquet/read.ts');
  const part = (from: number, to: number) => store.part(object, from, to);
  return yield* whileWanted(fromParquet({ bytes: await store.size(object), part, shown }), signal);
}

/** Ends where a signal has come, with its reason. */
export async function* whileWanted(parts: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  for await (const part of parts) {
    signal.throwIfAborted();
    yield part;
  }
}

/** Types of the server that have a kind of their own in Parquet, by name. */
const kindOfType: Readonly<Record<string, Kind>> = {
  ...{ int2: 'int4', int4: 'int4', int8: 'int8', bool: 'bool', float4: 'float4', float8: 'float8' },
  ...{ date: 'date', timestamp: 'timestamp', timestamptz: 'timestamptz', bytea: 'bytea' },
};

async function parquetColumns(
  session: Session,
  { schema, name }: Archive['partition'],
  columns: readonly string[],
): Promise<readonly ParquetColumn[]> {
  const rows = await session.rows<{ name: string; type: string | null }>(sql`SELECT a.attname AS name,
  CASE WHEN t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid THEN t.typname END AS type
FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = pg_catalog.to_regclass(${ident(schema, name).text})::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped`);
  return columns.map((column) => {
    const type = rows.find((row) => row.name === column)?.type ?? '';
    return { name: column, kind: Object.hasOwn(kindOfType, type) ? (kindOfType[type] ?? 'text') : 'text' };
  });
}
