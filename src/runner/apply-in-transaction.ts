import { PulseError } from '../errors.ts';
import { closeGuard, guardConstraint, openGuard } from '../ledger/append.ts';
import { explainLedgerStatement } from '../ledger/explain.ts';
import { StatementError } from '../postgres/errors.ts';
import { raw, sql } from '../postgres/sql.ts';
import { explainFailure } from './failure.ts';
import { type Message, messagesOf } from './messages.ts';
import { fileSettings, freshSession, ownStateAgain, pooledOpening } from './session-state.ts';
import { type Attempt, type Done, entryOf, type Run, type RunnerDeps, type Step } from './step.ts';

/**
 * Runs one file in one transaction, its ledger row in the same: both or neither.
 * @throws {PulseError} `migration-failed` or `lock-not-obtained` when it was rolled back, `interrupted` likewise,
 * `connection-lost` when the connection went; the message says what is known then.
 */
export async function applyInTransaction(deps: RunnerDeps, run: Run, step: Step, attempt: Attempt): Promise<Done> {
  const promised = !/\bset\s+constraints\s+all\b/i.test(step.file.text);
  try {
    return await applyOnce(deps, run, step, attempt, promised);
  } catch (error) {
    // A function may call the promise in where the file's own text does not show it; all of it was rolled back.
    if (promised && isPromiseCalledIn(error)) return applyOnce(deps, run, step, attempt, false);
    throw error;
  }
}

/** The guard's promise was checked by SET CONSTRAINTS ALL IMMEDIATE, and not by a COMMIT. */
function isPromiseCalledIn(error: unknown): boolean {
  const cause = error instanceof PulseError ? error.cause : null;
  return (
    cause instanceof StatementError &&
    cause.constraint === guardConstraint &&
    /\bset\s+constraints\b/i.test(cause.context ?? '')
  );
}

async function applyOnce(deps: RunnerDeps, run: Run, step: Step, attempt: Attempt, promised: boolean): Promise<Done> {
  const { schema } = run;
  const { session } = deps;
  const entry = deps.newId();
  await freshSession(session);
  let sent: Message | null = null;
  let committing = false;
  try {
    await session.run(beginStatement(step));
    const [backend] = await session.rows<{ pid: number }>(
      raw(pooledOpening(session) + opening(run, entry, step, attempt, promised)),
    );
    attempt.onBackend(backend?.pid ?? session.backendPid);
    for (const message of messagesOf(step.file)) {
      // The cancel request went out at the signal; a statement begun behind it would run to its end.
      deps.signal.throwIfAborted();
      sent = message;
      await (message.kind === 'copy' ? session.copyIn(message.text, message.rows) : session.run(message.text));
    }
    sent = null;
    deps.signal.throwIfAborted();
    committing = true;
    const [row] = await session.rows<{ duration_ms: number }>(sql`${raw(ownStateAgain(attempt.lockTimeoutMs))};
${closeGuard(schema, entryOf(deps, step, entry, 'done', attempt.waitedMs))};
COMMIT`);
    return { version: step.version, name: step.name, durationMs: row?.duration_ms ?? 0 };
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    const rolledBack = `rolled back: nothing of ${step.file.path} remains`;
    const { reason } = deps.signal;
    if (reason instanceof PulseError && isCancelled(error)) throw reason.withResult(undefined, [rolledBack]);
    if (error instanceof StatementError)
      throw (
        guardBroken(error, schema, step) ??
        withoutRight(error, schema, step, sent) ??
        explainFailure(error, step.file, sent, [rolledBack])
      );
    if (error instanceof PulseError && error.code === 'connection-lost') throw lostDuring(error, step, committing);
    throw error;
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
  return `${guard};\n${settings};\nSELECT pg_catalog.pg_backend_pid() AS pid`;
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

/** The NOT NULL columns of guard and ledger are there to fail in exactly these two cases. */
function guardBroken(error: StatementError, schema: string, step: Step): PulseError | null {
  if (error.sqlstate !== '23502' || error.schema !== schema) return null;
  if (error.table === 'guard') {
    return new PulseError(
      'lock-not-obtained',
      'the run lease was taken over by another run; nothing of this file was applied',
      {
        hint: 'pulse-migrate status',
      },
    );
  }
  if (error.table === 'ledger') {
    return new PulseError(
      'migration-partial',
      `${step.file.path} ended its transaction itself; statements behind that point may have been committed one by one, and none of it is recorded`,
      {
        hint: 'compare the database with the file, then take the transaction control out of it',
        location: { file: step.file.path },
      },
    );
  }
  return null;
}

function lostDuring(loss: PulseError, step: Step, committing: boolean): PulseError {
  const doing = committing
    ? 'being committed: whether it is applied is not known yet'
    : 'running; the server rolls it back';
  return new PulseError('connection-lost', `the connection was lost while ${step.file.path} was ${doing}`, {
    hint: 'pulse-migrate status shows what is applied; then run the command again',
    ...(loss.server && { server: loss.server }),
    cause: loss,
  });
}
