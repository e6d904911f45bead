import { PulseError } from '../errors.ts';
import { closeGuard, openGuard } from '../ledger/append.ts';
import { explainLedgerStatement } from '../ledger/explain.ts';
import { hasTouched, touched } from '../ledger/touched.ts';
import type { Statement } from '../migrations/migration.ts';
import { locationAt } from '../migrations/parse-file.ts';
import { StatementError } from '../postgres/errors.ts';
import { boundedBegin } from '../postgres/idle-limit.ts';
import { raw, sql } from '../postgres/sql.ts';
import { explainFailure } from './failure.ts';
import { callsPromiseIn, endedItself, guardFailure, isPromiseCalledIn, touchesGuard } from './guard-failure.ts';
import { refuseMissingIndex } from './in-doubt-index.ts';
import { readBareStatement } from './in-doubt-statement.ts';
import { type Message, messagesOf } from './messages.ts';
import { beginning, clearPooledSession, rollBack } from './pooled-leftovers.ts';
import { readAsSent } from './read-as-sent.ts';
import { fileSettings, freshSession, ownStateAgain, pooledOpening } from './session-state.ts';
import { type Attempt, type Done, entryOf, type Run, type RunnerDeps, type Step, type StepRun } from './step.ts';

/**
 * Runs one file in one transaction, its ledger row in the same: both or neither.
 * @throws {PulseError} `migration-failed` or `lock-not-obtained` when it was rolled back, `interrupted` likewise,
 * `connection-lost` when the connection went; the message says what is known then.
 */
export async function applyInTransaction(deps: RunnerDeps, run: StepRun, step: Step, attempt: Attempt): Promise<Done> {
  const promised = !callsPromiseIn(step);
  try {
    return await applyOnce(deps, run, step, attempt, promised);
  } catch (error) {
    // A function may call the promise in where the file's own text does not show it; all of it was rolled back.
    if (promised && isPromiseCalledIn(error)) return applyOnce(deps, run, step, attempt, false);
    throw error;
  }
}

async function applyOnce(
  deps: RunnerDeps,
  run: StepRun,
  step: Step,
  attempt: Attempt,
  promised: boolean,
): Promise<Done> {
  const { schema, entry } = run;
  const { session } = deps;
  let sent: Message | null = null;
  let committing = false;
  let began: number | null = null;
  try {
    await freshSession(session);
    await session.run(boundedBegin(beginStatement(step)));
    const [begun] = await session.rows<{ pid: number; xid: string; began: number }>(
      raw(pooledOpening(session) + opening(run, entry, step, attempt, promised)),
    );
    began = begun?.began ?? null;
    attempt.onBackend(begun?.pid ?? session.backendPid);
    for (const [index, message] of messagesOf(step.file).entries()) {
      // The cancel request went out at the signal; a statement begun behind it would run to its end.
      deps.signal.throwIfAborted();
      if (index > 0) await session.run(readAsSent('SET LOCAL'));
      sent = message;
      await (message.kind === 'copy' ? session.copyIn(message.text, message.rows) : session.run(message.text));
      if (message.kind === 'sql' && message.last !== undefined) await refuseSkipped(session, step, message.last);
    }
    sent = null;
    deps.signal.throwIfAborted();
    const [now] = await session.rows<{ xid: string | null; touched: boolean }>(
      raw(`${ownStateAgain(attempt.lockTimeoutMs)};\n${readAsSent('SET LOCAL')};\n${inspection(schema)}`),
    );
    if (now?.xid !== begun?.xid) throw endedItself(step);
    if (now?.touched === true) throw hasTouched(step.file.path, schema);
    if (session.pooled && began !== null) await clearPooledSession(session, began);
    committing = true;
    const [row] = await session.rows<{
      duration_ms: number;
    }>(sql`${closeGuard(schema, entryOf(deps, step, entry, 'done', attempt.waitedMs))};
COMMIT`);
    return { version: step.version, name: step.name, durationMs: row?.duration_ms ?? 0 };
  } catch (error) {
    await rollBack(session, began);
    const rolledBack = `rolled back: nothing of ${step.file.path} remains`;
    const { reason } = deps.signal;
    if (reason instanceof PulseError && isCancelled(error)) throw reason.withResult(undefined, [rolledBack]);
    if (error instanceof StatementError)
      throw (
        (sent === null ? guardFailure(error, schema, step) : touchesGuard(error, schema, step))?.withResult(undefined, [
          rolledBack,
        ]) ??
        withoutRight(error, schema, step, sent) ??
        explainFailure(error, step.file, sent, [rolledBack])
      );
    if (error instanceof PulseError && error.code === 'connection-lost') throw lostDuring(error, step, committing);
    if (error instanceof PulseError && error.code === 'migration-failed')
      throw error.withResult(undefined, [rolledBack]);
    throw error;
  }
}

/** Asked at once and not at the end of the file: names are still resolved as the statement resolved them. */
async function refuseSkipped(session: RunnerDeps['session'], { file }: Step, statement: Statement): Promise<void> {
  try {
    await refuseMissingIndex(session, readBareStatement(file.text.slice(statement.start, statement.end)));
  } catch (error) {
    if (!(error instanceof PulseError) || error.code !== 'migration-failed') throw error;
    const location = locationAt(file.path, file.text, statement.start);
    throw new PulseError(error.code, error.message, { hint: error.hint, location, cause: error });
  }
}

/** The statements that `--plan` shows and the run sends, around the file itself. */
export function beginStatement(step: Step): string {
  return step.file.transactionModes === null ? 'BEGIN' : `BEGIN ${step.file.transactionModes}`;
}

function opening(
  { schema, token }: Run,
  entry: string,
  step: Step,
  { lockTimeoutMs }: Attempt,
  promised: boolean,
): string {
  const guard = openGuard(schema, entry, token, promised).text;
  const settings = fileSettings(step.file.directives, 'SET LOCAL', lockTimeoutMs);
  return `${guard};\n${settings};\nSELECT pg_catalog.pg_backend_pid() AS pid,
  pg_catalog.pg_current_xact_id()::pg_catalog.text AS xid, ${beginning} AS began`;
}

/** Asked when the file is through: whether it is still the same transaction, and whether the record is as it was. */
function inspection(schema: string): string {
  return `SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text AS xid, ${touched(schema).text} AS touched`;
}

function isCancelled(error: unknown): boolean {
  return (
    (error instanceof StatementError && error.sqlstate === '57014') ||
    (error instanceof PulseError && error.code === 'interrupted')
  );
}

/** A right that is missing on our own tables is no fault of the file. */
function withoutRight(error: StatementError, schema: string, step: Step, sent: Message | null): unknown {
  if (sent !== null || error.sqlstate !== '42501') return null;
  return explainLedgerStatement(error, schema, `recording ${step.file.path}`);
}

function lostDuring(loss: PulseError, step: Step, committing: boolean): PulseError {
  const doing = committing
    ? 'being committed: whether it is applied is not known yet'
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
