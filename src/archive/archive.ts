import { PulseError } from '../errors.ts';
import type { ArchivePhase, Emit } from '../events.ts';
import type { Actor } from '../ledger/ledger.ts';
import type { TableName } from '../partitions/catalog.ts';
import type { Session } from '../postgres/session.ts';
import { ident, raw, type Sql, sql } from '../postgres/sql.ts';
import { type Digest, Tap } from './digest.ts';
import { copyOut, type Format, steadySettings, suffixes } from './format.ts';
import { type Archive, finishArchive, forgetArchive, insertArchive, type Written } from './manifest.ts';
import { contentOf, objectOf, whileWanted } from './object-content.ts';
import { type Extent, toldOf } from './progress.ts';
import type { Store } from './store.ts';
import { assertFits } from './unfit-values.ts';

/** What archiving needs from outside. */
export interface ArchiveDeps {
  readonly session: Session;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  readonly newId: () => string;
  readonly actor: Actor;
  readonly toolVersion: string;
}

/** A partition to be archived, by itself or detached already. */
export interface Candidate {
  readonly table: TableName;
  readonly partition: TableName;
  /** Of the partition: another table may come to have its name. */
  readonly oid: number;
  /** ISO 8601 in UTC; null where open. */
  readonly from: string | null;
  readonly to: string | null;
}

export interface ArchiveRequest {
  /** The tool's schema. */
  readonly schema: string;
  readonly store: Store;
  /** As typed, for whoever restores it. */
  readonly place: string;
  readonly endpoint: string | null;
  readonly format: Format;
  /** The partition, which is detached then, is dropped once the archive was read back. */
  readonly drop: boolean;
  /** To be sent in the transaction in which the manifest says that a partition is archived. */
  readonly alongside?: (archive: Archive, rows: number) => Sql;
}

/** Where nobody else can write to it; asked for again and again, a lock on a detached partition comes soon. */
const lockTimeoutMs = 10_000;

/**
 * Says in the manifest that an archive is begun, before its partition is detached: behind that nothing else knows which
 * table and which bounds it had.
 */
export async function beginArchive(
  deps: ArchiveDeps,
  candidate: Candidate,
  { schema, format, place, endpoint, drop }: ArchiveRequest,
): Promise<string> {
  const entry = deps.newId();
  const { table, partition, oid, from, to } = candidate;
  const columns = await writtenColumns(deps.session, partition);
  const object = `${encodeURIComponent(partition.schema)}.${encodeURIComponent(partition.name)}-${entry}.${suffixes[format]}`;
  await deps.session.rows(
    insertArchive(
      schema,
      { entry, table, partition, partitionOid: oid, from, to, columns, format, place, object, endpoint, forDrop: drop },
      deps,
    ),
  );
  return entry;
}

/**
 * Writes all rows of a partition, reads back what was written, and has the manifest say so; with `drop` the partition
 * goes in the same transaction, in which nobody else could write to it.
 * @throws {PulseError} `archive-failed`, `not-possible` for a table that is another one by now; what was written is
 * taken away again then, and the partition stays.
 */
export async function writeArchive(deps: ArchiveDeps, archive: Archive, request: ArchiveRequest): Promise<Written> {
  const { session } = deps;
  const { schema, store, drop } = request;
  const { partition } = archive;
  try {
    // The reading back may take long, in which nothing is asked of the server.
    await session.run(`BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = ${lockTimeoutMs};
${steadySettings.text}`);
    const name = ident(partition.schema, partition.name);
    await session.run(sql`LOCK TABLE ${name} IN ${raw(drop ? 'SHARE' : 'ACCESS SHARE')} MODE`.text);
    await assertAsBegun(session, archive);
    await assertFits(session, partition, archive.format);
    const written = await writeRows(deps, archive, store);
    await readBack(deps, archive, store, written);
    const finished = await session.rows(finishArchive(schema, archive.entry, written, drop));
    if (finished.length !== 1) {
      throw new PulseError(
        'archive-failed',
        `the manifest has lost the archive of ${partition.name}; it is not dropped`,
        {
          hint: 'run the command again',
        },
      );
    }
    if (request.alongside !== undefined) await session.rows(request.alongside(archive, written.rows));
    if (drop) await session.run(sql`DROP TABLE ${name}`.text);
    deps.signal.throwIfAborted();
    await session.run('COMMIT');
    return written;
  } catch (error) {
    await rollBack(session);
    await withdraw(deps, archive, request);
    throw error;
  }
}

/** Under a lock, behind which it stays so: what is written would not be all that is dropped. */
async function assertAsBegun(session: Session, { partition, partitionOid, columns }: Archive): Promise<void> {
  const there = await standing(session, partition);
  if (there?.oid !== partitionOid) throw another(partition);
  const now = await writtenColumns(session, partition);
  if (now.length === columns.length && now.every((name, at) => name === columns[at])) return;
  throw new PulseError('not-possible', `the columns of ${partition.name} have changed since its archive was begun`, {
    hint: 'run the command again',
  });
}

/** Of a table that has only the name of what was to be archived. */
export function another({ schema, name }: TableName): PulseError {
  return new PulseError(
    'not-possible',
    `${schema}.${name} is not the partition that was to be archived: that one is gone, and this is another table of its name`,
    { hint: 'it is left alone; rename it if the name is to be free, and see: pulse-migrate partition archives' },
  );
}

/** Never throws. A cancel that was meant for a COPY may hit the first. */
export async function rollBack(session: Session): Promise<void> {
  await session.run('ROLLBACK').catch(() => session.run('ROLLBACK').catch(() => {}));
}

/** Takes away what was written, unless the COMMIT went through although nobody heard of it. */
async function withdraw({ session }: ArchiveDeps, { entry, object }: Archive, { schema, store, drop }: ArchiveRequest) {
  try {
    const gone = await session.rows(
      sql`SELECT FROM ${ident(schema, 'archive')} WHERE entry = ${entry}::pg_catalog.uuid AND rows IS NULL`,
    );
    if (gone.length === 0) return;
    await store.remove(object);
    // With `drop` it may be detached already, and the next run goes on by this row.
    if (!drop) await session.rows(forgetArchive(schema, entry));
  } catch {
    // The failure itself is what is told.
  }
}

async function writeRows({ session, signal, emit }: ArchiveDeps, archive: Archive, store: Store): Promise<Written> {
  const { partition, columns, format, object } = archive;
  const [content, stored] = [new Tap(), new Tap()];
  const extent = {
    table: partition.name,
    phase: 'writing',
    format,
    rows: await guessedRows(session, partition),
    bytes: null,
  } as const;
  const rowsOut = () => session.copyOut(copyOut(format, partition, columns).text);
  const copied = () => toldOf(extent, emit, content.through(whileWanted(rowsOut(), signal)));
  await store.put(object, stored.through(await objectOf(session, archive, copied)));
  const [row] = await session.rows<{ rows: number }>(
    sql`SELECT pg_catalog.count(*)::pg_catalog.float8 AS rows FROM ONLY ${ident(partition.schema, partition.name)}`,
  );
  return { rows: row?.rows ?? 0, content: content.digest(), stored: stored.digest() };
}

async function readBack(
  { signal, emit }: ArchiveDeps,
  archive: Archive,
  store: Store,
  written: Written,
): Promise<void> {
  const { object } = archive;
  const [content, stored] = [new Tap(), new Tap()];
  const read = content.through(contentOf(archive, store, signal, stored));
  for await (const _part of toldOf(extentOf(archive, 'reading back', written), emit, read)) {
    // Only looked at.
  }
  if (isSame(content.digest(), written.content) && isSame(stored.digest(), written.stored)) return;
  throw new PulseError('archive-failed', `${store.shown}${object} does not read back as it was written`, {
    hint: 'see to the storage, then run the command again; the partition is untouched',
  });
}

/** What of an archive that is written is gone through. */
export function extentOf({ partition, format }: Archive, phase: ArchivePhase, { rows, content }: Written): Extent {
  return { table: partition.name, phase, format, rows, bytes: content.bytes };
}

/** As the server's planner has it: the density of the last VACUUM or ANALYZE times today's pages; null before the first. */
async function guessedRows(session: Session, { schema, name }: TableName): Promise<number | null> {
  const [row] = await session.rows<{ rows: number | null }>(sql`SELECT
  CASE WHEN c.reltuples >= 0::pg_catalog.float4 AND c.relpages > 0 THEN pg_catalog.round(c.reltuples::pg_catalog.float8 / c.relpages
    * (pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8)) END AS rows
FROM pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass(${ident(schema, name).text})::pg_catalog.oid`);
  return row?.rows ?? null;
}

export function isSame(a: Digest, b: Digest): boolean {
  return a.bytes === b.bytes && a.sha256 === b.sha256;
}

/** Columns that hold something of their own: what is generated is so again. */
async function writtenColumns(session: Session, { schema, name }: TableName): Promise<readonly string[]> {
  const rows = await session.rows<{ name: string }>(sql`SELECT a.attname AS name FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = pg_catalog.to_regclass(${ident(schema, name).text})::pg_catalog.oid
  AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum`);
  if (rows.length > 0) return rows.map((row) => row.name);
  throw new PulseError('not-possible', `${schema}.${name} has no columns to be archived`, {
    hint: 'pulse-migrate partition list',
  });
}

/** How a table of this name stands; null where there is none. */
export async function standing(session: Session, { schema, name }: TableName): Promise<Standing | null> {
  const [row] = await session.rows<{
    oid: number;
    attached: boolean;
    detaching: boolean;
  }>(sql`SELECT c.oid::pg_catalog.int8::pg_catalog.float8 AS oid, c.relispartition AS attached,
  EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid AND i.inhdetachpending) AS detaching
FROM pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass(${ident(schema, name).text})::pg_catalog.oid`);
  return row ?? null;
}

export interface Standing {
  readonly oid: number;
  /** It is a partition of a table. */
  readonly attached: boolean;
  /** Half: a DETACH … CONCURRENTLY was interrupted. */
  readonly detaching: boolean;
}
