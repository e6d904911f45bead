import { PulseError } from '../errors.ts';
import { ownRows } from '../postgres/errors.ts';
import type { FitRule } from './examine.ts';
import { keepNewest, lockPeriod, type PeriodDone, type PeriodRow, periodsToDo, putTogether } from './statements.ts';
import { shownName } from './target.ts';
import { inTransaction, type RetentionDeps, type RuleRun } from './transaction.ts';

/**
 * Carries out `downsample` and `keep-one-a-day`, period by period from the oldest. A period is put together in one
 * transaction, which also records that it is: rows that come later are not mixed with an average of the others.
 */
export async function workPeriods(deps: RetentionDeps, run: RuleRun, fit: FitRule): Promise<void> {
  const { rule, target } = fit;
  const downsamples = rule.action === 'downsample';
  for (const period of await ownRows<PeriodRow>(deps.session, run.doing, periodsToDo(fit))) {
    for (;;) {
      const done = await inTransaction(deps, run, async () => {
        await deps.session.rows(lockPeriod(fit, period));
        const statement = downsamples ? putTogether(fit, period) : keepNewest(fit, period);
        const [row] = await deps.session.rows<PeriodDone>(statement);
        const { removed = 0, made = 0, groups = 0, first = null, last = null } = row ?? {};
        if (made !== groups) throw swallowed(fit, groups - made);
        return { removed, made, first, last, ...(downsamples && { through: period.to }) };
      });
      deps.emit({ type: 'retention-batch', table: shownName(target), removed: done.removed, last: done.last });
      if (done.removed > 0 && rule.pauseMs > 0) await deps.sleep(rule.pauseMs);
      if (downsamples || done.removed < rule.batch) break;
    }
  }
}

/** Before the COMMIT, so that what was to be put together is still there. */
function swallowed({ target }: FitRule, rows: number): PulseError {
  const name = shownName(target);
  return new PulseError('not-possible', `${name}: ${rows} rows that hold the values of others were not taken`, {
    hint: `a trigger or a rule keeps new rows away: see psql -c '\\d ${name}'; nothing of this period is gone`,
  });
}
