import { PulseError } from '../errors.ts';
import { ownRows } from '../postgres/errors.ts';
import type { Sql } from '../postgres/sql.ts';
import type { FitRule } from './examine.ts';
import { type Batch, type BatchRow, deleteByPages, deleteByTime, type Place, pagesOf } from './statements.ts';
import { type Leaf, shownName } from './target.ts';
import { inTransaction, type RetentionDeps, type RuleRun } from './transaction.ts';

/** Pages that are read in one transaction, at first and at most: where nothing is old there is nothing to lock either. */
const firstPages = 16;
const mostPages = 4096;

/** Deletes what is older than the cutoff, so many rows a transaction; what is gone is gone, so it is resumed by beginning again. */
export async function deleteBatches(
  deps: RetentionDeps,
  run: RuleRun,
  { rule, target, type, cutoff }: FitRule,
): Promise<void> {
  const batch = { time: rule.time, type, cutoff, rows: rule.batch };
  for (const leaf of target.leaves) {
    const one = async (statement: Sql) => {
      const { picked, removed, ...rest } = await inTransaction(deps, run, async () =>
        firstOf(await deps.session.rows<BatchRow>(statement)),
      );
      deps.emit({ type: 'retention-batch', table: shownName(leaf), removed, last: rest.last });
      if (picked > 0 && removed === 0 && picked >= rule.batch) throw staying(leaf);
      if (removed > 0 && rule.pauseMs > 0) await deps.sleep(rule.pauseMs);
      return { picked, removed, ...rest };
    };
    if (leaf.hasTimeIndex) await inOrderOfTime(one, leaf, batch);
    else await pageByPage(one, leaf, batch, await pageCount(deps, leaf));
  }
}

type DeleteOne = (statement: Sql) => Promise<BatchRow>;

async function inOrderOfTime(one: DeleteOne, leaf: Leaf, batch: Batch): Promise<void> {
  for (let after: Place | null = null; ; ) {
    const { picked, end_time, end_place } = await one(deleteByTime(leaf, batch, after));
    if (picked < batch.rows || end_time === null || end_place === null) return;
    after = { time: end_time, ctid: end_place };
  }
}

/** Rows that come behind the last page meanwhile are young, or wait for the next run. */
async function pageByPage(one: DeleteOne, leaf: Leaf, batch: Batch, pages: number): Promise<void> {
  let window = firstPages;
  for (let from = 0; from < pages; ) {
    const { picked } = await one(deleteByPages(leaf, batch, { from, to: from + window }));
    // As many as a batch may hold: these pages may have more.
    if (picked >= batch.rows) {
      window = Math.max(1, Math.floor(window / 2));
      continue;
    }
    from += window;
    window = Math.min(mostPages, window * 2);
  }
}

async function pageCount({ session }: RetentionDeps, leaf: Leaf): Promise<number> {
  const [row] = await ownRows<{ pages: number }>(session, 'measuring a table', pagesOf(leaf));
  return row?.pages ?? 0;
}

function firstOf(rows: readonly BatchRow[]): BatchRow {
  const [row] = rows;
  if (row === undefined) throw new PulseError('not-possible', 'the server did not say what it deleted');
  return row;
}

/** A BEFORE DELETE trigger or a rule of the table: to go on would be to go on for ever. */
function staying(leaf: Leaf): PulseError {
  return new PulseError('not-possible', `${shownName(leaf)}: a whole batch was to be deleted, and no row of it went`, {
    hint: `a trigger, a rule or another session keeps them: see psql -c '\\d ${shownName(leaf)}'`,
  });
}
