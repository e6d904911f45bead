import { StatementError } from '../../postgres/errors.ts';
import { raw, type Sql, sql } from '../../postgres/sql.ts';
import { logColumn } from './capture-parts.ts';
import { type Conversion, partsOf } from './conversion.ts';
import type { Work } from './deps.ts';
import { nameSql } from './source-facts.ts';
import { ownBegin } from './under-lock.ts';

/** From where to where changes are brought. `forward`: from the old table to the partitions; `back`: the other way. */
export type Way = 'forward' | 'back';

/** So many entries of the log a batch, with all others of the same keys. */
const batchEntries = 1000;

/** When no more than so many are left, the rest is brought under the lock of the swap. */
const fewEntries = 200;

/** More changes than this are not brought under the lock of an exchange. */
export const mostUnderLock = 2000;

interface Road {
  readonly log: string;
  readonly from: string;
  readonly to: string;
  /** Pairs of columns of the log and of the table by which an old row is found in `to`. */
  readonly oldRow: readonly (readonly [logged: string, column: string])[];
  /** The same in `from`. */
  readonly newRow: readonly (readonly [logged: string, column: string])[];
}

/** Before the swap the source has the table's name, behind it the target has: so the names say where to go. */
function roadOf({ toolSchema }: Work, conversion: Conversion, way: Way): Road {
  const { spec, schema, name } = conversion;
  const parts = partsOf(toolSchema, conversion.id);
  const identifier = spec.identifier.map((column, index) => [logColumn(index), column] as const);
  // On the partitioned table the partition key belongs to it: of forty partitions one is looked into.
  const key = `"${spec.key.column.replaceAll('"', '""')}"`;
  const withKey = [...identifier, [logColumn(spec.identifier.length), key] as const];
  const live = nameSql({ schema, name });
  return way === 'forward'
    ? { log: parts.log, from: live, to: nameSql({ schema, name: spec.newName }), oldRow: withKey, newRow: identifier }
    : {
        log: parts.reverseLog,
        from: live,
        to: nameSql({ schema, name: spec.oldName }),
        oldRow: identifier,
        // Not by the partition key: where two rows have one identifier by now, both have to be found, so that the old
        // table refuses them and does not take the one for the other.
        newRow: identifier,
      };
}

function matches(pairs: Road['oldRow'], log: string, row: string): string {
  return pairs.map(([logged, column]) => `${log}.${logged} OPERATOR(pg_catalog.=) ${row}.${column}`).join(' AND ');
}

/** Entries of the log, counted up to a limit: a backlog of millions is as good as one of a hundred thousand. */
export async function backlogOf(work: Work, conversion: Conversion, way: Way = 'forward'): Promise<number> {
  const { log } = roadOf(work, conversion, way);
  const [row] = await work.session.rows<{ entries: number }>(
    sql`SELECT pg_catalog.count(*)::pg_catalog.float8 AS entries FROM (SELECT FROM ${raw(log)} LIMIT 100000) AS l`,
  );
  return row?.entries ?? 0;
}

/**
 * Statements that make, for the keys of the first `most` entries (null: of all), the rows on the other side what they
 * are on this side, and take every entry of these keys out of the log. They have to see one snapshot. What the other
 * side holds of a key is the row as the last replay or the copy saw it, and every change since left the place it came
 * from in the log; so the places in the log are all where an old row can be.
 */
function replayStatements({ log, from, to, oldRow, newRow }: Road, { spec }: Conversion, most: number | null): Sql {
  const key = spec.identifier.map((_, index) => logColumn(index));
  const keys = (alias: string) => key.map((name) => `${alias}.${name}`).join(', ');
  const same = (a: string, b: string) =>
    key.map((name) => `${a}.${name} OPERATOR(pg_catalog.=) ${b}.${name}`).join(' AND ');
  const limit = most === null ? '' : ` ORDER BY f.seq LIMIT ${most}`;
  const chosen = `(SELECT DISTINCT ${keys('f')} FROM (SELECT * FROM ${log} AS f${limit}) AS f)`;
  const logged = (pairs: Road['oldRow']) =>
    `(SELECT DISTINCT ${pairs.map(([name]) => `l.${name}`).join(', ')} FROM ${chosen} AS w JOIN ${log} AS l ON ${same('l', 'w')})`;
  const read = spec.columns.map((column) => `s.${column}`).join(', ');
  return raw(`DELETE FROM ${to} AS t USING ${logged(oldRow)} AS b WHERE ${matches(oldRow, 'b', 't')};
INSERT INTO ${to} (${spec.columns.join(', ')}) OVERRIDING SYSTEM VALUE
SELECT ${read} FROM ${logged(newRow)} AS b JOIN ${from} AS s ON ${matches(newRow, 'b', 's')};
DELETE FROM ${log} AS l USING ${chosen} AS w WHERE ${same('l', 'w')}`);
}

/** Keys are few and tables large: an estimate that the log was never analyzed for must not lead to a scan of all of it. */
const nearbyPlans = 'SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off';

/** Replays all that is in the log, within the transaction that is open and holds locks which nobody writes behind. */
export async function replayRest(work: Work, conversion: Conversion, way: Way): Promise<void> {
  await work.session.run(`${nearbyPlans}; ${replayStatements(roadOf(work, conversion, way), conversion, null).text}`);
}

/**
 * Replays batch by batch until few entries are left; the log is consumed by deletion, never by a mark, so an entry
 * whose transaction commits late is not passed over.
 */
export async function catchUp(work: Work, conversion: Conversion, way: Way): Promise<void> {
  const road = roadOf(work, conversion, way);
  const startedMs = work.now().getTime();
  let done = 0;
  for (let backlog = await backlogOf(work, conversion, way); backlog > fewEntries; ) {
    work.signal.throwIfAborted();
    await replayBatch(work, conversion, road);
    const left = await backlogOf(work, conversion, way);
    done += Math.max(0, backlog - left);
    backlog = left;
    const perSecond = Math.round((done * 1000) / Math.max(1, work.now().getTime() - startedMs));
    work.emit({
      type: 'conversion-progress',
      table: conversion.name,
      phase: 'replaying',
      done,
      total: done + left,
      rows: done,
      rowsPerSecond: perSecond,
      secondsLeft: perSecond === 0 ? null : Math.round(left / perSecond),
      backlog: left,
      worstLockMs: conversion.worstLockMs,
    });
  }
}

async function replayBatch({ session }: Work, conversion: Conversion, road: Road): Promise<void> {
  const begin = `${ownBegin(' ISOLATION LEVEL REPEATABLE READ')}; ${nearbyPlans}`;
  // Two rows may have exchanged what is unique: one of them alone collides, all together are as the live table has them.
  for (const most of [batchEntries, null]) {
    try {
      await session.run(`${begin}; ${replayStatements(road, conversion, most).text}; COMMIT`);
      return;
    } catch (error) {
      await session.run('ROLLBACK').catch(() => {});
      if (most === null || !(error instanceof StatementError && error.sqlstate === '23505')) throw error;
    }
  }
}
