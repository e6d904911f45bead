import type { Actor } from '../ledger/ledger.ts';
import type { TableName } from '../partitions/catalog.ts';
import { StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { ident, raw, type Sql, sql } from '../postgres/sql.ts';
import type { Digest } from './digest.ts';
import type { Format } from './format.ts';

/** One archive of one partition, as the manifest has it. */
export interface Archive {
  readonly entry: string;
  /** The partitioned table, and the partition. */
  readonly table: TableName;
  readonly partition: TableName;
  /**
   * Which table of that name: the partition that was archived, or, once loaded again, the one it was loaded into; null
   * where it was not written down. Another one may have the name by now.
   */
  readonly partitionOid: number | null;
  /** Its bounds, ISO 8601 in UTC; null where open. */
  readonly from: string | null;
  readonly to: string | null;
  readonly columns: readonly string[];
  readonly format: Format;
  /** Where it is: the place, and the object's name in it. */
  readonly place: string;
  readonly object: string;
  /** S3-compatible storage that is not Amazon's. */
  readonly endpoint: string | null;
  /** Null as long as it is not written and read back. */
  readonly written: Written | null;
  readonly archivedAt: Date;
  readonly dropped: boolean;
  /** Begun by a run that takes the partition out of its table in order to drop it. */
  readonly forDrop: boolean;
  /** When its rows were loaded again, apart from the table, and when they were attached. */
  readonly loadedAt: Date | null;
  readonly restoredAt: Date | null;
}

/** What was written: rows, the rows' bytes, and those of the object. */
export interface Written {
  readonly rows: number;
  readonly content: Digest;
  readonly stored: Digest;
}

/** Says that an archive is begun: before its partition leaves the table, so that whoever goes on knows where it was. */
export function insertArchive(
  schema: string,
  archive: Omit<Archive, 'written' | 'archivedAt' | 'dropped' | 'loadedAt' | 'restoredAt'>,
  by: { readonly actor: Actor; readonly toolVersion: string },
): Sql {
  const { entry, table, partition, partitionOid, from, to, columns, format, place, object, endpoint, forDrop } =
    archive;
  // The layout has no column for it.
  const actor = JSON.stringify({ ...by.actor, partitionOid });
  return sql`INSERT INTO ${ident(schema, 'archive')} (entry, table_schema, table_name, partition_schema, partition_name,
  range_from, range_to, columns, format, place, object, endpoint, dropped, actor, tool_version)
VALUES (${entry}, ${table.schema}, ${table.name}, ${partition.schema}, ${partition.name},
  ${from}, ${to}, ${JSON.stringify(columns)}, ${format}, ${place}, ${object}, ${endpoint}, ${forDrop}, ${actor}, ${by.toolVersion})`;
}

/** Says that it is written and was read back, and whether the partition goes with this transaction. */
export function finishArchive(
  schema: string,
  entry: string,
  { rows, content, stored }: Written,
  dropped: boolean,
): Sql {
  return sql`UPDATE ${ident(schema, 'archive')} SET rows = ${rows}, content_bytes = ${content.bytes}, content_sha256 = ${content.sha256},
  stored_bytes = ${stored.bytes}, stored_sha256 = ${stored.sha256}, archived_at = pg_catalog.clock_timestamp(), dropped = ${dropped}
WHERE entry = ${entry}::pg_catalog.uuid AND rows IS NULL RETURNING entry`;
}

/** Says that its rows are loaded into a table of the partition's name, and into which. */
export function markLoaded(schema: string, { entry, partition }: Archive): Sql {
  const table = sql`pg_catalog.to_regclass(${ident(partition.schema, partition.name).text})::pg_catalog.oid`;
  return sql`UPDATE ${ident(schema, 'archive')} SET loaded_at = pg_catalog.clock_timestamp(), restored_at = NULL,
  actor = pg_catalog.jsonb_set(actor, '{partitionOid}', pg_catalog.to_jsonb(${table}::pg_catalog.int8))
WHERE entry = ${entry}::pg_catalog.uuid`;
}

/** Says that the table it was loaded into is a partition again. */
export function markRestored(schema: string, { entry }: Archive): Sql {
  return sql`UPDATE ${ident(schema, 'archive')} SET restored_at = pg_catalog.clock_timestamp() WHERE entry = ${entry}::pg_catalog.uuid`;
}

export function forgetArchive(schema: string, entry: string): Sql {
  return sql`DELETE FROM ${ident(schema, 'archive')} WHERE entry = ${entry}::pg_catalog.uuid AND rows IS NULL`;
}

/** Of an archive that is deleted for good. */
export function dropArchive(schema: string, entry: string): Sql {
  return sql`DELETE FROM ${ident(schema, 'archive')} WHERE entry = ${entry}::pg_catalog.uuid AND dropped AND rows IS NOT NULL`;
}

interface ArchiveRow {
  readonly entry: string;
  readonly table_schema: string;
  readonly table_name: string;
  readonly partition_schema: string;
  readonly partition_name: string;
  readonly partition_oid: number | null;
  readonly range_from: string | null;
  readonly range_to: string | null;
  readonly columns: readonly string[];
  readonly format: Format;
  readonly place: string;
  readonly object: string;
  readonly endpoint: string | null;
  readonly rows: number | null;
  readonly content_bytes: number | null;
  readonly content_sha256: string | null;
  readonly stored_bytes: number | null;
  readonly stored_sha256: string | null;
  readonly archived_at: Date;
  readonly dropped: boolean;
  readonly loaded_at: Date | null;
  readonly restored_at: Date | null;
}

/** All archives, the newest last; none where the ledger has no manifest yet. */
export async function readArchives(session: Session, schema: string): Promise<readonly Archive[]> {
  try {
    const rows = await session.rows<ArchiveRow>(
      sql`SELECT ${raw(archiveColumns)} FROM ${ident(schema, 'archive')} ORDER BY id`,
    );
    return rows.map(archiveOf);
  } catch (error) {
    if (error instanceof StatementError && ['42P01', '3F000'].includes(error.sqlstate)) return [];
    throw error;
  }
}

const archiveColumns = `entry::pg_catalog.text AS entry, table_schema, table_name, partition_schema, partition_name,
  pg_catalog.jsonb_extract_path_text(actor, 'partitionOid')::pg_catalog.float8 AS partition_oid, range_from, range_to,
  columns, format, place, object, endpoint, rows::pg_catalog.float8 AS rows, content_bytes::pg_catalog.float8 AS content_bytes, content_sha256,
  stored_bytes::pg_catalog.float8 AS stored_bytes, stored_sha256, archived_at, dropped, loaded_at, restored_at`;

function archiveOf(row: ArchiveRow): Archive {
  return {
    entry: row.entry,
    table: { schema: row.table_schema, name: row.table_name },
    partition: { schema: row.partition_schema, name: row.partition_name },
    partitionOid: row.partition_oid,
    from: row.range_from,
    to: row.range_to,
    columns: row.columns,
    format: row.format,
    place: row.place,
    object: row.object,
    endpoint: row.endpoint,
    written: writtenOf(row),
    archivedAt: row.archived_at,
    // Of one that is begun the column says what is meant to be done.
    dropped: row.dropped && row.rows !== null,
    forDrop: row.dropped,
    loadedAt: row.loaded_at,
    restoredAt: row.restored_at,
  };
}

function writtenOf(row: ArchiveRow): Written | null {
  const { rows, content_bytes, content_sha256, stored_bytes, stored_sha256 } = row;
  if (rows === null || content_sha256 === null || stored_sha256 === null) return null;
  return {
    rows,
    content: { bytes: content_bytes ?? 0, sha256: content_sha256 },
    stored: { bytes: stored_bytes ?? 0, sha256: stored_sha256 },
  };
}
