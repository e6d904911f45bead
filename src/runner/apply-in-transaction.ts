import { PulseError } from '../errors.ts';
import { openGuard } from '../ledger/append.ts';
import { explainLedgerStatement } from '../ledger/explain.ts';
import { isTakenAway } from '../ledger/prepared.ts';
import { hasTouched } from '../ledger/touched.ts';
import { StatementError } from '../postgres/errors.ts';
import { raw } from '../postgres/sql.ts';
import { explainFailure } from './failure.ts';
import { callsPromiseIn, endedItself, guardFailure, isPromiseCalledIn, touchesGuard } from './guard-failure.ts';
import { isLeaseLost } from './lease-lost.ts';
import type { Message } from './messages.ts';
import { clearPooledSession, rollBack } from './pooled-leftovers.ts';
import { sendParts } from './send-parts.ts';
import {
  type Answers,
  type Begun,
  canBeSentWhole,
  inspection,
  type Left,
  onlyRow,
  opening,
  record,
  sendWhole,
} from './send-whole.ts';
import { discardPlansToo, freshSession } from './session-state.ts';
import type { Attempt, Done, RunnerDeps, Step, StepRun } from './step.ts';

/** What was sent before this file's turn came. */
interface SentAhead {
  /** What the file was sent as already, if it was. */
  readonly answers: Answers | null;
  /** Told that those behind it do not run, so nobody need listen to their answers; they are sent again. */
  readonly drop: () => void;
}

/**
 * Runs one file in one transaction, its ledger row in the same: both or neither.
 * @throws {PulseError} `migration-failed` or `lock-not-obtained` when it was rolled back, `interrupted` likewise,
 * `connection-lost` when the connection went; the message says what is known then.
 */
export async function applyInTransaction(
  deps: RunnerDeps,
  run: StepRun,
  step: Step,
  attempt: Attempt,
  sentAhead: SentAhead,
): Promise<Done> {
  const promised = !callsPromiseIn(step);
  if (!deps.session.pooled) attempt.onBackend(deps.session.backendPid);
  const answers =
    sentAhead.answers ?? (canBeSentWhole(deps.session, step) ? sendWhole(deps, run, step, attempt, null) : null);
  try {
    return await applyOnce(deps, run, step, attempt, { promised, answers });
  } catch (error) {
    // All of it was rolled back. A function may call the promise in, or take our prepared statements away, where the
    // file's own text does not show it; and what reads as a lost lease may be what the file in front has left.
    const calledIn = promised && isPromiseCalledIn(error);
    const refused = answers !== null && isLeaseLost(error);
    if (!calledIn && !refused && !takesStatementsAway(error)) throw error;
    sentAhead.drop();
    if (refused) discardPlansToo(deps.session);
    return applyOnce(deps, run, step, attempt, { promised: promised && !calledIn, answers: null });
  }
}

function takesStatementsAway(error: unknown): boolean {
  const cause = error instanceof PulseError ? error.cause : null;
  return cause instanceof StatementError && isTakenAway(cause);
}

/** How a file is applied. */
interface Way {
  readonly promised: boolean;
  /** What it was sent as, if whole. */
  readonly answers: Answers | null;
}

/** How far a try has come, for what is said when it fails. */
interface Place {
  /** The message of the file that is being waited for; null around them. */
  sent: Message | null;
  /** Whether the COMMIT is on its way. */
  committing: boolean;
  /** When the transaction began, seconds; null before. */
  began: number | null;
}

async function applyOnce(
  deps: RunnerDeps,
  run: StepRun,
  step: Step,
  attempt: Attempt,
  { promised, answers }: Way,
): Promise<Done> {
  const { session } = deps;
  const place: Place = { sent: null, committing: false, began: null };
  try {
    const durationMs =
      answers === null
        ? await partByPart(deps, run, step, attempt, promised, place)
        : await hear(answers, run.schema, step, place);
    return { version: step.version, name: step.name, durationMs };
  } catch (error) {
    await rollBack(session, place.began);
    throw explain(deps, run, step, error, place);
  }
}

/** Hears what became of a file that was sent whole. */
async function hear(answers: Answers, schema: string, step: Step, place: Place): Promise<number> {
  place.committing = true;
  try {
    const begun = await answers.begun;
    place.sent = answers.message;
    await answers.ran;
    place.sent = null;
    refuseOtherTransaction(begun, await answers.left, schema, step);
  } catch (failure) {
    // Whatever failed before it: what the server has committed is done.
    return answers.committed.catch(() => Promise.reject(failure));
  }
  return answers.committed;
}

/** Sends a file in parts and looks at what it left, where something has to be looked at, or data to be sent, in between. */
async function partByPart(
  deps: RunnerDeps,
  run: StepRun,
  step: Step,
  attempt: Attempt,
  promised: boolean,
  place: Place,
): Promise<number> {
  const { session } = deps;
  await freshSession(session);
  const guard = openGuard(run.schema, run, promised);
  const begun = onlyRow(await session.rows<Begun>(raw(opening(session, step, attempt.lockTimeoutMs, guard))));
  place.began = begun.began;
  if (session.pooled) attempt.onBackend(begun.pid);
  await sendParts(deps, step, begun.xid, (message) => {
    place.sent = message;
  });
  deps.signal.throwIfAborted();
  const left = onlyRow(await session.rows<Left>(raw(inspection(session, run.schema, attempt.lockTimeoutMs))));
  refuseOtherTransaction(begun, left, run.schema, step);
  if (session.pooled) await clearPooledSession(session, begun.began);
  const durationMs = await record(deps, run, step, attempt.waitedMs);
  place.committing = true;
  await session.run('COMMIT');
  return durationMs;
}

function refuseOtherTransaction(begun: Begun, left: Left, schema: string, step: Step): void {
  if (left.xid !== begun.xid) throw endedItself(step);
  if (left.touched) throw hasTouched(step.file.path, schema);
}

function explain({ signal }: RunnerDeps, { schema }: StepRun, step: Step, error: unknown, place: Place): unknown {
  const { sent } = place;
  const rolledBack = `rolled back: nothing of ${step.file.path} remains`;
  const { reason } = signal;
  if (reason instanceof PulseError && wasStopped(error)) return reason.withResult(undefined, [rolledBack]);
  if (error instanceof StatementError)
    return (
      (sent === null ? guardFailure(error, schema, step) : touchesGuard(error, schema, step, sent))?.withResult(
        undefined,
        [rolledBack],
      ) ??
      withoutRight(error, schema, step, sent) ??
      explainFailure(error, step.file, sent, [rolledBack])
    );
  if (error instanceof PulseError && error.code === 'connection-lost') return lostDuring(error, step, place);
  if (error instanceof PulseError && error.code === 'migration-failed')
    return error.withResult(undefined, [rolledBack]);
  return error;
}

function wasStopped(error: unknown): boolean {
  return (
    // 25P02: the cancel request has hit a message in front of the one that is told.
    (error instanceof StatementError && (error.sqlstate === '57014' || error.sqlstate === '25P02')) ||
    (error instanceof PulseError && error.code === 'interrupted')
  );
}

/** A right that is missing on our own tables is no fault of the file. */
function withoutRight(error: StatementError, schema: string, step: Step, sent: Message | null): unknown {
  if (sent !== null || error.sqlstate !== '42501') return null;
  return explainLedgerStatement(error, schema, `recording ${step.file.path}`);
}

function lostDuring(loss: PulseError, step: Step, { committing }: Place): PulseError {
  const doing = committing
    ? 'running or being committed: whether it is applied is not known yet'
    : 'running; the server rolls it back';
  return new PulseError('connection-lost', `the connection was lost while ${step.file.path} was ${doing}`, {
    hint: 'pulse-migrate status shows what is applied; then run the command again',
    ...(loss.server && { server: loss.server }),
    ...(!committing && { result: { rolledBack: true } }),
    cause: loss,
  });
}

/** Whether a lost connection certainly took its transaction with it: no COMMIT was on its way. */
export function isRolledBack(loss: PulseError): boolean {
  return (loss.result as { rolledBack?: boolean } | null | undefined)?.rolledBack === true;
}
