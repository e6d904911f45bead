import { PulseError } from '../errors.ts';
import { type BlockerWatch, blockerWatch, describeBlocker } from '../postgres/blockers.ts';
import { StatementError } from '../postgres/errors.ts';
import { type LockPatience, lockTimeout, pauseAfter } from '../postgres/lock-schedule.ts';
import { ident, sql } from '../postgres/sql.ts';
import type { TableName } from './catalog.ts';
import type { PartitionDeps } from './create-next.ts';

/** How a partition is with its table. */
interface Tie {
  readonly isDefaultThere: boolean;
  /** A DETACH … CONCURRENTLY of it was interrupted. */
  readonly isPending: boolean;
}

/**
 * Takes a partition out of its table: CONCURRENTLY, which keeps nobody waiting, or, where there is a DEFAULT partition
 * and that is not possible, under ACCESS EXCLUSIVE locks that are waited for in short tries. One that was interrupted is
 * finished. It stays as a table of its own, with all of its rows (ALTER TABLE, manual).
 * @throws {PulseError} `lock-not-obtained` with the blockers' names, `not-possible` where rows elsewhere refer to it.
 */
export async function detachPartition(
  deps: PartitionDeps,
  parent: TableName,
  partition: TableName,
  patience: LockPatience,
): Promise<void> {
  const blockers = blockerWatch(deps);
  try {
    for (let attempt = 1; ; attempt += 1) {
      deps.signal.throwIfAborted();
      const tie = await tieOf(deps, parent, partition);
      if (tie === null) return;
      try {
        blockers.watch(deps.session.backendPid);
        await detachOnce(deps, parent, partition, tie, lockTimeout(attempt, patience));
        return;
      } catch (error) {
        await waitOrGiveUp(deps, blockers, partition, attempt, patience, error);
      }
    }
  } finally {
    blockers.close();
  }
}

async function tieOf({ session }: PartitionDeps, parent: TableName, partition: TableName): Promise<Tie | null> {
  const [row] = await session.rows<{
    pending: boolean;
    fallback: boolean;
  }>(sql`SELECT i.inhdetachpending AS pending, p.partdefid <> 0 AS fallback
FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid = i.inhparent
WHERE i.inhparent = pg_catalog.to_regclass(${ident(parent.schema, parent.name).text})::pg_catalog.oid
  AND i.inhrelid = pg_catalog.to_regclass(${ident(partition.schema, partition.name).text})::pg_catalog.oid`);
  return row === undefined ? null : { isPending: row.pending, isDefaultThere: row.fallback };
}

async function detachOnce(
  { session }: PartitionDeps,
  parent: TableName,
  partition: TableName,
  { isPending, isDefaultThere }: Tie,
  limitMs: number,
): Promise<void> {
  const detach = `ALTER TABLE ${ident(parent.schema, parent.name).text} DETACH PARTITION ${ident(partition.schema, partition.name).text}`;
  if (isDefaultThere && !isPending) {
    try {
      await session.run(`BEGIN; SET LOCAL lock_timeout = ${limitMs}; ${detach}; COMMIT`);
    } catch (error) {
      await session.run('ROLLBACK').catch(() => {});
      throw error;
    }
    return;
  }
  // It waits for those who still see the partition in its table, which keeps nobody else waiting.
  await session.run(`SET lock_timeout = ${Math.max(limitMs, patientMs)}`);
  try {
    await session.run(`${detach} ${isPending ? 'FINALIZE' : 'CONCURRENTLY'}`);
  } finally {
    await session.run('RESET lock_timeout').catch(() => {});
  }
}

/** Nobody queues behind the wait of DETACH … CONCURRENTLY, milliseconds. */
const patientMs = 5000;

async function waitOrGiveUp(
  deps: PartitionDeps,
  blockers: BlockerWatch,
  partition: TableName,
  attempt: number,
  patience: LockPatience,
  error: unknown,
): Promise<void> {
  if (!(error instanceof StatementError)) throw error;
  if (error.sqlstate === '23503') {
    throw new PulseError('not-possible', `${partition.name} cannot be detached: ${error.message}`, {
      hint: 'rows of another table refer to it; take those away, or drop that foreign key, first',
      cause: error,
    });
  }
  if (!['55P03', '40P01'].includes(error.sqlstate)) throw error;
  const seen = blockers.seen().map(describeBlocker);
  if (attempt > patience.retries) {
    throw new PulseError('lock-not-obtained', `${partition.name}: no lock for detaching it in ${attempt} tries`, {
      hint: 'wait for the holder or end it, then run the command again, which goes on; or try longer: --lock-retries 100',
      now: seen.map((blocker) => `in the way: ${blocker}`),
    });
  }
  const pauseMs = pauseAfter(attempt, patience, deps.chance());
  deps.emit({
    type: 'lock-waiting',
    version: `the detaching of ${partition.name}`,
    ...{ attempt, attempts: patience.retries + 1, pauseMs, blockers: seen },
  });
  await deps.sleep(pauseMs);
}
