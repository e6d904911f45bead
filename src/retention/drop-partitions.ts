import { PulseError } from '../errors.ts';
import { ownRows } from '../postgres/errors.ts';
import { ident, sql } from '../postgres/sql.ts';
import { literalOf } from './cutoff.ts';
import type { FitRule } from './examine.ts';
import { type OldPartition, oldPartitions, spanned } from './old-partitions.ts';
import { keptFor, notByTime } from './plan.ts';
import { shownName, tableOf } from './target.ts';
import { inTransaction, type RetentionDeps, type RuleRun } from './transaction.ts';

/** Below the deadlock_timeout of a server as it comes, so that it is we who give up and never a client, milliseconds. */
const longestLockMs = 200;

/** Drops the partitions that end at the cutoff or before, each in a transaction of its own. */
export async function dropPartitions(deps: RetentionDeps, run: RuleRun, fit: FitRule): Promise<void> {
  const table = { oid: fit.target.oid, time: fit.rule.time, type: fit.type };
  const old = await oldPartitions(deps.session, table, fit.cutoff);
  if (old === null) throw new PulseError('not-possible', notByTime(fit).why, { hint: notByTime(fit).cure });
  const patience = { ...run.patience, timeoutMs: Math.min(run.patience.timeoutMs, longestLockMs) };
  for (const partition of old.partitions) {
    // Before the lock, behind which everybody waits: nobody writes into it any more, or it is not counted.
    const { removed, timeless } = await rowsOf(deps, fit, partition);
    if (timeless > 0) {
      deps.emit({ type: 'warning', message: keptFor(partition, timeless) });
      continue;
    }
    await inTransaction(deps, { ...run, patience }, async () => {
      await deps.session.run(`LOCK TABLE ONLY ${tableOf(fit.target).text} IN ACCESS EXCLUSIVE MODE`);
      const still = await oldPartitions(deps.session, table, fit.cutoff);
      const same = still?.partitions.find(
        ({ schema, name, to }) => schema === partition.schema && name === partition.name && to === partition.to,
      );
      // Another session has detached or replaced it: it is not ours to drop.
      if (same === undefined) return { removed: 0 };
      await deps.session.run(`DROP TABLE ${tableOf(partition).text}`);
      return { removed, first: spanned(partition.from), last: spanned(partition.to), partition: shownName(partition) };
    });
    deps.emit({ type: 'retention-batch', table: shownName(partition), removed, last: null });
  }
}

async function rowsOf(
  { session }: RetentionDeps,
  { rule, type }: FitRule,
  { schema, name }: OldPartition,
): Promise<{ readonly removed: number; readonly timeless: number }> {
  const [row] = await ownRows<{ removed: number; timeless: number }>(
    session,
    'counting rows',
    sql`SELECT pg_catalog.count(*)::pg_catalog.float8 AS removed,
  (pg_catalog.count(*) FILTER (WHERE ${ident(rule.time)} OPERATOR(pg_catalog.=) ${literalOf(type, '-infinity')}))::pg_catalog.float8 AS timeless
FROM ONLY ${ident(schema, name)}`,
  );
  return row ?? { removed: 0, timeless: 0 };
}
