import { PulseError } from '../errors.ts';
import { boundLiteral, type ClosedRange } from '../partitions/bounds.ts';
import { instantOf } from '../partitions/calendar.ts';
import { type PartitionedTable, readPartitionedTables, type TableName, utcSettings } from '../partitions/catalog.ts';
import { statementsApart, statementsToAttach } from '../partitions/new-partition.ts';
import { typedName } from '../partitions/shown-name.ts';
import { explainOwnStatement, StatementError } from '../postgres/errors.ts';
import { type LockPatience, lockTimeout, pauseAfter } from '../postgres/lock-schedule.ts';
import type { Session } from '../postgres/session.ts';
import { ident, raw, type Sql, sql } from '../postgres/sql.ts';
import { type ArchiveDeps, extentOf, isSame, rollBack, type Standing, standing } from './archive.ts';
import { Tap } from './digest.ts';
import { copyIn, copyOut, steadySettings } from './format.ts';
import { type Archive, markLoaded, markRestored, type Written } from './manifest.ts';
import { contentOf } from './object-content.ts';
import { toldOf } from './progress.ts';
import type { Store } from './store.ts';

export interface RestoreDeps extends ArchiveDeps {
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** A number in [0, 1), different each time. */
  readonly chance: () => number;
}

export interface RestoreRequest {
  /** The tool's schema. */
  readonly schema: string;
  readonly store: Store;
  readonly patience: LockPatience;
}

/**
 * Brings an archived partition back: loaded apart from the table, compared with the archive by its own bytes, and
 * attached in a moment. What was loaded before a kill is not loaded again, and what was attached is left as it is.
 * @throws {PulseError} `archive-failed` when what was loaded is not what was archived, `not-possible`, `lock-not-obtained`.
 */
export async function restoreArchive(
  deps: RestoreDeps,
  archive: Archive,
  request: RestoreRequest,
): Promise<'restored' | 'restored before'> {
  const { written } = archive;
  if (written === null)
    throw new PulseError('not-possible', `the archive of ${archive.partition.name} was never finished`);
  const table = await parentOf(deps.session, archive);
  // A kill behind its COMMIT has left nobody to say so.
  if (archive.restoredAt !== null && table.partitions.some(({ oid }) => oid === archive.partitionOid)) {
    return 'restored before';
  }
  const range = rangeOf(archive);
  const there = await standing(deps.session, archive.partition);
  if (there !== null && !isLoadedInto(archive, there)) {
    throw new PulseError('not-possible', `${shown(archive.partition)} is there already`, {
      hint: `rename it, or leave it: an archive is only restored where its partition is gone`,
    });
  }
  await assertRoom(deps.session, table, range, archive);
  try {
    if (there === null) await load(deps, archive, written, table, range, request);
    await attach(deps, archive, table, range, request);
    return 'restored';
  } catch (error) {
    const explained = explainOwnStatement(error, `restoring ${archive.partition.name}`);
    if (!(explained instanceof PulseError)) throw explained;
    throw explained.withResult(explained.result, [...explained.now, ...(await loadedAlone(deps.session, archive))]);
  }
}

/** Whether this is the table that an earlier run loaded, and did not come to attach: another one may have its name. */
function isLoadedInto({ loadedAt, restoredAt, partitionOid }: Archive, there: Standing): boolean {
  return loadedAt !== null && restoredAt === null && !there.attached && there.oid === partitionOid;
}

/** Before anything is loaded: ATTACH would find such rows only at the end. */
async function assertRoom(
  session: Session,
  { schema, name, key, defaultPartition }: PartitionedTable,
  range: ClosedRange,
  { partition }: Archive,
): Promise<void> {
  if (defaultPartition === null) return;
  const column = ident(key.column);
  const [from, to] = [boundLiteral(key.type, range.from), boundLiteral(key.type, range.to)];
  const [row] = await session.rows<{ held: boolean }>(sql`${utcSettings};
SELECT EXISTS (SELECT FROM ONLY ${ident(defaultPartition.schema, defaultPartition.name)} WHERE ${column} >= ${from} AND ${column} < ${to}) AS held`);
  if (row?.held !== true) return;
  throw new PulseError(
    'not-possible',
    `the DEFAULT partition ${shown(defaultPartition)} holds rows for the time of ${partition.name}; nothing was restored`,
    {
      hint: `they would be in two places: move or delete them first, see: pulse-migrate partition drain ${typedName({ schema, name })} --dry-run`,
    },
  );
}

/** What is worth knowing of a partition that was loaded and not attached. */
async function loadedAlone(session: Session, { partition }: Archive): Promise<readonly string[]> {
  const there = await standing(session, partition).catch(() => null);
  if (there === null || there.attached) return [];
  return [
    `${shown(partition)} is loaded and stands as a table of its own; the same command attaches it, or drop it: DROP TABLE ${ident(partition.schema, partition.name).text}`,
  ];
}

function shown({ schema, name }: TableName): string {
  return `${schema}.${name}`;
}

async function parentOf(session: Session, { table, partition }: Archive): Promise<PartitionedTable> {
  const tables = await readPartitionedTables(session, null);
  const found = tables.find(({ schema, name }) => schema === table.schema && name === table.name);
  if (found !== undefined && !('why' in found)) return found;
  throw new PulseError(
    'not-possible',
    `there is no table ${shown(table)} partitioned by time for ${partition.name} to go back to`,
    {
      hint: 'pulse-migrate partition list shows all of them',
    },
  );
}

function rangeOf({ from, to, partition }: Archive): ClosedRange {
  if (from === null || to === null) {
    throw new PulseError('not-possible', `${partition.name} had open bounds, and is not restored by this command`);
  }
  return { from: instantOf(new Date(from)), to: instantOf(new Date(to)) };
}

const inRange = 'pulse_migrate_range';

/** All of it in one transaction, so that a kill leaves nothing behind. */
async function load(
  deps: RestoreDeps,
  archive: Archive,
  written: Written,
  table: PartitionedTable,
  range: ClosedRange,
  { schema, store }: RestoreRequest,
): Promise<void> {
  const { session } = deps;
  const { partition, format, columns } = archive;
  try {
    await session.run(`BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 10000;
${steadySettings.text}`);
    const model = table.partitions.findLast(({ isTable }) => isTable) ?? table;
    for (const statement of await statementsApart(session, table, model, partition)) await session.run(statement.sql);
    const { before, copy, behind } = copyIn(format, partition, columns);
    const content = new Tap();
    // These rows are not new: nothing is to be done for them once more.
    const triggers = (what: string) =>
      session.run(`ALTER TABLE ${ident(partition.schema, partition.name).text} ${what} TRIGGER USER`);
    await triggers('DISABLE');
    if (before !== null) await session.run(before.text);
    const extent = extentOf(archive, 'loading', written);
    const parts = toldOf(extent, deps.emit, content.through(contentOf(archive, store, deps.signal, null)));
    await session.copyIn(copy.text, parts).catch((error: unknown) => {
      // Not of the form that was archived, though the object is whole.
      if (error instanceof StatementError && /^(22|23|XX001)/.test(error.sqlstate)) {
        throw notTheSame(archive, `does not hold the rows that were archived (${error.message})`);
      }
      throw error;
    });
    if (behind !== null) await session.run(behind.text);
    await triggers('ENABLE');
    if (!isSame(content.digest(), written.content)) throw notTheSame(archive, 'does not read as it was written');
    const again = new Tap();
    const given = again.through(session.copyOut(copyOut(format, partition, columns).text));
    for await (const _part of toldOf(extentOf(archive, 'comparing', written), deps.emit, given)) {
      // Only looked at.
    }
    if (!isSame(again.digest(), written.content))
      throw notTheSame(archive, 'does not give the rows that were archived');
    await session.run(rangeCheck(partition, table, range).text);
    await session.rows(markLoaded(schema, archive));
    deps.signal.throwIfAborted();
    await session.run('COMMIT');
  } catch (error) {
    await rollBack(session);
    throw error;
  }
}

function notTheSame({ object, place }: Archive, what: string): PulseError {
  return new PulseError('archive-failed', `${object} at ${place} ${what}; nothing was restored`, {
    hint: 'compare the object with the manifest: pulse-migrate partition archives --json',
  });
}

/** By which ATTACH knows the range of every row without looking at one under its locks. */
function rangeCheck(partition: TableName, { key }: PartitionedTable, range: ClosedRange): Sql {
  const column = ident(key.column);
  const [from, to] = [boundLiteral(key.type, range.from), boundLiteral(key.type, range.to)];
  return sql`ALTER TABLE ${ident(partition.schema, partition.name)} ADD CONSTRAINT ${raw(inRange)}
  CHECK (${column} IS NOT NULL AND ${column} >= ${from} AND ${column} < ${to})`;
}

/** So long the part of the work may take that holds locks on what clients use, milliseconds. */
const statementLimitMs = 3000;

async function attach(
  deps: RestoreDeps,
  archive: Archive,
  table: PartitionedTable,
  range: ClosedRange,
  { schema, patience }: RestoreRequest,
): Promise<void> {
  const { session } = deps;
  await addForeignKeys(session, table, archive.partition);
  const { locks, attach: statement } = statementsToAttach(table, archive.partition, range, true);
  const name = ident(archive.partition.schema, archive.partition.name);
  for (let attempt = 1; ; attempt += 1) {
    deps.signal.throwIfAborted();
    try {
      await session.run(`BEGIN; SET LOCAL statement_timeout = ${statementLimitMs}; SET LOCAL idle_in_transaction_session_timeout = ${statementLimitMs};
SET LOCAL lock_timeout = ${lockTimeout(attempt, patience)}; SET LOCAL search_path = ''; ${utcSettings.text}`);
      for (const { sql: text } of [...locks, statement]) await session.run(text);
      await session.run(sql`ALTER TABLE ${name} DROP CONSTRAINT ${raw(inRange)}`.text);
      await session.rows(markRestored(schema, archive));
      await session.run('COMMIT');
      return;
    } catch (error) {
      await rollBack(session);
      const isLock = error instanceof StatementError && ['55P03', '40P01'].includes(error.sqlstate);
      if (!isLock) throw error;
      if (attempt > patience.retries) {
        throw new PulseError(
          'lock-not-obtained',
          `${archive.partition.name} is loaded, and no lock for attaching it came in ${attempt} tries`,
          {
            hint: 'run the command again: it goes on from there',
          },
        );
      }
      await deps.sleep(pauseAfter(attempt, patience, deps.chance()));
    }
  }
}

/**
 * The foreign keys that the table gives its partitions, proven here without a lock that anybody waits for: ATTACH takes
 * the ones that are there instead of looking at every row while it has the other tables locked.
 */
async function addForeignKeys(session: Session, table: PartitionedTable, partition: TableName): Promise<void> {
  const name = ident(partition.schema, partition.name);
  const keys = await session.rows<{ name: string; definition: string; there: boolean; valid: boolean }>(sql`
SELECT k.conname AS name, pg_catalog.pg_get_constraintdef(k.oid) AS definition, l.oid IS NOT NULL AS there, COALESCE(l.convalidated, false) AS valid
FROM pg_catalog.pg_constraint AS k
LEFT JOIN pg_catalog.pg_constraint AS l ON l.conrelid = pg_catalog.to_regclass(${name.text})::pg_catalog.oid AND l.conname = k.conname AND l.contype = 'f'
WHERE k.conrelid = ${String(table.oid)}::pg_catalog.oid AND k.contype = 'f' AND k.conparentid = 0::pg_catalog.oid ORDER BY k.oid`);
  for (const key of keys) {
    const constraint = ident(key.name);
    if (!key.there) {
      await session
        .run(
          `BEGIN; SET LOCAL lock_timeout = 1000; ALTER TABLE ${name.text} ADD CONSTRAINT ${constraint.text} ${key.definition} NOT VALID; COMMIT`,
        )
        .catch(async (error: unknown) => {
          await rollBack(session);
          throw error;
        });
    }
    if (!key.valid) await session.run(`ALTER TABLE ${name.text} VALIDATE CONSTRAINT ${constraint.text}`);
  }
}
