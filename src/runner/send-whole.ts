import { closeGuard, markFit, markUse, valuesOf } from '../ledger/append.ts';
import { closePrepared, insidePrepared, lookPrepared, openPrepared } from '../ledger/prepared.ts';
import { touched } from '../ledger/touched.ts';
import { heard } from '../postgres/answers.ts';
import { boundedBegin } from '../postgres/idle-limit.ts';
import type { Session } from '../postgres/session.ts';
import { join, raw, type Sql, sql } from '../postgres/sql.ts';
import { callsPromiseIn, durationIn } from './guard-failure.ts';
import { behindOwn, messagesOf, type SqlMessage } from './messages.ts';
import { beginning } from './pooled-leftovers.ts';
import { fileSettings, freshAndPrepared, ownBeginning, ownStateBefore, untimedBefore } from './session-state.ts';
import { type Attempt, entryOf, type RunnerDeps, type Step, type StepRun } from './step.ts';

/** The transaction as it was begun. */
export interface Begun {
  readonly pid: number;
  readonly xid: string;
  /** Seconds. */
  readonly began: number;
}

/** The transaction as the file has left it. */
export interface Left {
  readonly xid: string | null;
  readonly touched: boolean;
}

/** What the server answers to a file that was sent whole, in the order of the messages. None rejects unheard. */
export interface Answers {
  readonly message: SqlMessage;
  readonly begun: Promise<Begun>;
  readonly ran: Promise<void>;
  readonly left: Promise<Left>;
  readonly committed: Promise<number>;
}

/** Whether all of a file can be sent at once, without looking at an answer in between. */
export function canBeSentWhole(session: Session, step: Step): boolean {
  const { file } = step;
  // Behind a pooler what the file leaves in the session has to be looked for.
  if (session.pooled || file.mode !== 'transaction' || typeof file.text !== 'string') return false;
  return onlyMessage(step) !== null && !callsPromiseIn(step);
}

function onlyMessage({ file }: Step): SqlMessage | null {
  const [only, more] = messagesOf(file);
  return only?.kind === 'sql' && only.last === undefined && more === undefined ? only : null;
}

/**
 * Sends a file, its ledger row and the COMMIT without waiting in between: one wait for the server instead of five. What
 * follows a failure does not run: the transaction is aborted then, or, where it never began or is gone, each of the
 * messages fails by itself outside of it. `after` is the entry of the file that was sent just before, if it was not
 * waited for either.
 */
export function sendWhole(
  deps: RunnerDeps,
  run: StepRun,
  step: Step,
  attempt: Pick<Attempt, 'lockTimeoutMs' | 'waitedMs'>,
  after: string | null,
): Answers {
  const { session } = deps;
  const only = onlyMessage(step);
  if (only === null) throw new TypeError(`${step.file.path} cannot be sent whole`);
  const message = behindOwn(only, insidePrepared(run.entry).text);
  const { plansGone, done } = freshAndPrepared(session, run.schema);
  const fresh = heard(done);
  const limits = {
    lockTimeoutMs: attempt.lockTimeoutMs,
    statementTimeoutMs: step.file.directives.statementTimeoutMs ?? 0,
  };
  const begin = raw(`${boundedBegin(beginStatement(step))};\n${openPrepared(run, { after, plansGone }, limits).text}`);
  const begun = heard(session.rows<Begun>(begin));
  const look = raw(untimedBefore(session, lookPrepared(attempt.lockTimeoutMs)));
  const row = closePrepared(entryOf(deps, step, run.entry, 'done', attempt.waitedMs));
  return {
    message,
    // A failure of the first says what the failure of the second follows from.
    begun: heard(fresh.then(() => begun).then(onlyRow)),
    ran: heard(session.run(message.text)),
    left: heard(session.rows<Left>(look).then(onlyRow)),
    committed: heard(durationFrom(session.rows(sql`${row};\nCOMMIT`), run, step)),
  };
}

/** The one row of an answer that has one. */
export function onlyRow<Row>(rows: readonly Row[]): Row {
  const [row] = rows;
  if (row === undefined) throw new TypeError('the server gave no row');
  return row;
}

/** Begins the transaction of a file: settings of ours, `guard`, and settings of its directives. */
export function opening(session: Session, step: Step, lockTimeoutMs: number, guard: Sql): string {
  const settings = fileSettings(step.file.directives, 'SET LOCAL', lockTimeoutMs);
  return `${boundedBegin(beginStatement(step))};
${ownBeginning(session)}${guard.text};
${settings};
SELECT pg_catalog.pg_backend_pid() AS pid, pg_catalog.pg_current_xact_id()::pg_catalog.text AS xid, ${beginning} AS began`;
}

/** The statement a transaction of the run begins with, also in what `--plan` shows. */
export function beginStatement(step: Step): string {
  return step.file.transactionModes === null ? 'BEGIN' : `BEGIN ${step.file.transactionModes}`;
}

/** Asked when the file is through: whether it is still the same transaction, and whether the record is as it was. */
export function inspection(session: Session, schema: string, lockTimeoutMs: number): string {
  const marks = session.pooled ? [markFit(raw('NOT l.touched'))] : [markFit(raw('NOT l.touched')), markUse];
  const look = sql`SELECT l.xid, l.touched, ${join(marks)} FROM (
  SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text AS xid, ${touched(schema)} AS touched OFFSET 0) AS l`;
  return ownStateBefore(session, lockTimeoutMs, look);
}

/** The ledger row alone, which is there when this gives how long the transaction took until then, milliseconds. */
export async function record(deps: RunnerDeps, run: StepRun, step: Step, waitedMs: number): Promise<number> {
  const row = closeGuard(run.schema, valuesOf(entryOf(deps, step, run.entry, 'done', waitedMs)));
  return durationFrom(deps.session.rows(row), run, step);
}

async function durationFrom(rows: Promise<Array<{ duration_ms: number }>>, run: StepRun, step: Step): Promise<number> {
  return durationIn(await rows, run.schema, step.file.path);
}
