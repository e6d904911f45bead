import { hasTouched, touched } from '../ledger/touched.ts';
import type { Statement } from '../migrations/migration.ts';
import { boundedBegin } from '../postgres/idle-limit.ts';
import { raw } from '../postgres/sql.ts';
import { lockLease } from './fence.ts';
import { refuseMissingIndex } from './in-doubt-index.ts';
import { readBareStatement } from './in-doubt-statement.ts';
import { rowsOf } from './messages.ts';
import { beginning, clearPooledSession, rollBack } from './pooled-leftovers.ts';
import { readAsSent } from './read-as-sent.ts';
import { fileSettings, ownRoleForNow, ownStateAgain, pooledOpening } from './session-state.ts';
import type { Attempt, Run, RunnerDeps, Step } from './step.ts';

/** A statement of a file without a transaction that can have one of its own. */
export interface OwnTransaction {
  readonly statement: Statement;
  readonly text: string;
  readonly attempt: Attempt;
  /** Adds a mark to the journal. */
  readonly note: (state: 'started' | 'finished') => Promise<void>;
}

/** A statement, and the mark that it is done, in one transaction under the lease. */
export async function runInOwnTransaction(
  { session }: RunnerDeps,
  lease: Run,
  step: Step,
  { statement, text, attempt, note }: OwnTransaction,
): Promise<void> {
  await session.run(boundedBegin());
  let began: number | null = null;
  try {
    attempt.onBackend(await lockLease(session, lease));
    const [begun] = await session.rows<{ began: number }>(raw(opening(session, step, attempt)));
    began = begun?.began ?? null;
    await (statement.copyData === null
      ? session.run(text)
      : session.copyIn(text, rowsOf(step.file.text, statement.copyData)));
    if (statement.keywords[0] === 'CREATE') await refuseMissingIndex(session, readBareStatement(text));
    const own = session.pooled
      ? ownStateAgain(attempt.lockTimeoutMs)
      : `${ownRoleForNow}; SET LOCAL statement_timeout = 0`;
    const [now] = await session.rows<{ touched: boolean }>(
      raw(`${own};\nSELECT ${touched(lease.schema).text} AS touched`),
    );
    if (now?.touched === true) throw hasTouched(step.file.path, lease.schema);
    if (session.pooled && began !== null) await clearPooledSession(session, began);
    await note('finished');
    await session.run('COMMIT');
  } catch (error) {
    await rollBack(session, began);
    throw error;
  }
}

function opening(session: RunnerDeps['session'], step: Step, { lockTimeoutMs }: Attempt): string {
  const { directives } = step.file;
  const settings = fileSettings(
    session.pooled ? directives : { ...directives, statementTimeoutMs: null },
    'SET LOCAL',
    setsLockTimeout(step) ? null : lockTimeoutMs,
  );
  const parts = [readAsSent('SET LOCAL'), settings, `SELECT ${beginning} AS began`].filter((part) => part !== '');
  return pooledOpening(session) + parts.join(';\n');
}

/** A file without a transaction may set the limit itself; then it means it. */
export function setsLockTimeout(step: Step): boolean {
  return step.file.statements.some(({ keywords }) =>
    /^SET (?:SESSION |LOCAL )?LOCK_TIMEOUT\b/.test(keywords.join(' ')),
  );
}
