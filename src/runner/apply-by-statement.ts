import { PulseError } from '../errors.ts';
import { appendEntry, type JournalMark, markStatement } from '../ledger/append.ts';
import { explainLedgerStatement, ledgerRows } from '../ledger/explain.ts';
import type { UnfinishedMigration } from '../ledger/ledger.ts';
import { unlessChanged } from '../migrations/file-text.ts';
import type { Statement } from '../migrations/migration.ts';
import { locationAt } from '../migrations/parse-file.ts';
import { cannotRunInTransaction } from '../migrations/transaction-rules.ts';
import { StatementError } from '../postgres/errors.ts';
import { raw, sql } from '../postgres/sql.ts';
import { explainFailure, isCancelled, isLockFailure } from './failure.ts';
import { underLease } from './fence.ts';
import { durationIn } from './guard-failure.ts';
import { leftBehind } from './in-doubt.ts';
import type { EarlierRun } from './in-doubt-ruling.ts';
import { readBareStatement, setsTheSession } from './in-doubt-statement.ts';
import { isLeaseLost, leaseLost } from './lease-lost.ts';
import type { TryForLock } from './lock-retry.ts';
import type { Message } from './messages.ts';
import { readAsSent } from './read-as-sent.ts';
import { refuseEdited, statementChecksum } from './resume.ts';
import { runBare } from './run-bare.ts';
import { runInOwnTransaction, setsLockTimeout } from './run-in-own-transaction.ts';
import { fileSettings, freshSession, ownRoleForNow } from './session-state.ts';
import { type Done, entryOf, type Run, type RunnerDeps, type Step, type StepRun } from './step.ts';

/**
 * Runs a file without a transaction around it, statement by statement. Each statement that can have a transaction of
 * its own gets one, with its mark in the journal in the same; the others are marked before and after. What an earlier
 * run finished is not repeated.
 * @throws {PulseError} `migration-partial` when it stopped part of the way, `migration-failed` when nothing was done yet.
 */
export async function applyByStatement(
  deps: RunnerDeps,
  run: StepRun,
  asked: Step,
  unfinished: UnfinishedMigration | null,
  tryForLock: TryForLock,
): Promise<Done> {
  const { session } = deps;
  const { schema } = run;
  // With its checksums counted: a run that stops part of the way is recorded, also where a large file is changed by then.
  const step = { ...asked };
  const statements = step.file.statements;
  refuseEdited(step, unfinished);
  const entry = unfinished?.entry ?? run.entry;
  let finished = unfinished?.finished.length ?? 0;
  let lockWaitMs = 0;
  await freshSession(session);
  const began = await serverTime(deps);
  const settings = fileSettings(step.file.directives, 'SET', null);
  if (settings !== '' && !session.pooled) await session.run(settings);

  for (const [index, statement] of statements.entries()) {
    const before = unfinished?.finished.length ?? 0;
    const resumed = index < before;
    let bare = false;
    try {
      deps.signal.throwIfAborted();
      if (resumed) {
        const text = step.file.text.slice(statement.start, statement.end);
        // A setting went with the session of the run that made it; names in the statements to come may depend on it.
        if (!session.pooled && setsTheSession(text)) await session.run(text);
      } else {
        const mark = {
          entry,
          number: step.number,
          direction: step.direction,
          statement: index + 1,
          statements: statements.length,
          checksum: statementChecksum(step, statement),
        };
        const begun = index === before ? unfinished?.begun : null;
        const earlier = begun ? { sameText: begun.checksum === mark.checksum, xid: begun.xid } : null;
        const onBare = () => {
          bare = true;
        };
        lockWaitMs += await runOne(deps, run, step, { statement, mark, earlier, onBare }, tryForLock);
        finished += 1;
      }
    } catch (error) {
      throw await stopped(deps, schema, step, { error, statement, bare, index, finished, began });
    }
    deps.emit({
      type: 'statement-finished',
      version: step.version,
      statement: index + 1,
      statements: statements.length,
      resumed,
    });
  }

  await freshSession(session);
  const row = appendEntry(schema, entryOf(deps, step, entry, 'done', lockWaitMs), began);
  const durationMs = await underLease(session, run, async () =>
    durationIn(await session.rows<{ duration_ms: number }>(row), schema, step.file.path),
  ).catch((error: unknown) => Promise.reject(onlyUnrecorded(error, schema, step)));
  return { version: step.version, name: step.name, durationMs };
}

/** All statements are done, and their marks say so: nothing is repeated by the run that can record it. */
function onlyUnrecorded(error: unknown, schema: string, { file }: Step): unknown {
  const why = explainLedgerStatement(error, schema, `recording ${file.path}`);
  if (!(why instanceof PulseError) || why.code !== 'migration-failed') return why;
  return new PulseError('migration-partial', why.message, {
    hint: `${why.hint}; then run the command again`,
    now: [`${file.path}: all ${file.statements.length} statements are done, and are not repeated`],
    location: { file: file.path },
    cause: why,
  });
}

interface Turn {
  readonly statement: Statement;
  readonly mark: Omit<JournalMark, 'state'>;
  readonly earlier: EarlierRun | null;
  /** Told when the statement is run without a transaction around it. */
  readonly onBare: () => void;
}

/** How long the tries took that failed for want of a lock, and the pauses between them, milliseconds. */
async function runOne(
  deps: RunnerDeps,
  lease: Run,
  step: Step,
  { statement, mark, earlier, onBare }: Turn,
  tryForLock: TryForLock,
): Promise<number> {
  const { session } = deps;
  const text = step.file.text.slice(statement.start, statement.end);
  // A try that fails for want of a lock may leave something behind, as a run does that is killed.
  let begun = earlier;
  const note = async (state: 'started' | 'finished') => {
    const marked = sql`${raw(ownRoleForNow)};
${markStatement(lease.schema, { ...mark, state }, lease.token)}`;
    const noting = `noting a statement of ${step.file.path}`;
    const [row] = await ledgerRows<{ xid: string }>(session, lease.schema, noting, marked);
    if (row === undefined) throw leaseLost();
    if (state === 'started') begun = { sameText: true, xid: row.xid };
  };
  const place = { version: step.version, statement: mark.statement, statements: mark.statements };
  const outside = () => {
    onBare();
    return tryForLock(async ({ lockTimeoutMs, waitedMs, onBackend }) => {
      // CONCURRENTLY is made to wait without anybody queueing behind it.
      const limit = /\bconcurrently\b/i.test(text) ? (step.file.directives.lockTimeoutMs ?? 0) : lockTimeoutMs;
      onBackend(session.backendPid, limit);
      if (!session.pooled) {
        const waits = setsLockTimeout(step) ? '' : `; SET lock_timeout = ${limit}`;
        await session.run(readAsSent('SET') + waits);
      }
      await explained(step, statement, text, () => runBare(deps, { text, place, earlier: begun, lease, note }));
      return waitedMs;
    });
  };
  if (cannotRunInTransaction(text, statement) !== null) return outside();
  try {
    return await tryForLock(async (attempt) => {
      await explained(step, statement, text, () =>
        runInOwnTransaction(deps, lease, step, { statement, text, attempt, note }),
      );
      return attempt.waitedMs;
    });
  } catch (error) {
    if (!isOfPartitionedTable(error, statement)) throw error;
    return outside();
  }
}

/** REINDEX and CLUSTER of a partitioned table cannot run in a transaction, which their text does not tell. */
function isOfPartitionedTable(error: unknown, { keywords: [first] }: Statement): boolean {
  return error instanceof StatementError && error.sqlstate === '25001' && (first === 'REINDEX' || first === 'CLUSTER');
}

/**
 * Refuses a file for a pooler before anything runs: a setting would not be there for the statement it is meant for, and
 * be there for another client instead.
 * @throws {PulseError} `pooler-refused` with the place.
 */
export function refuseSettings({ file }: Step): void {
  if (file.mode === 'transaction') return;
  const set = file.statements.find(({ start, end }) => setsTheSession(file.text.slice(start, end)));
  if (set === undefined) return;
  throw new PulseError(
    'pooler-refused',
    'a setting for the whole session in a file without a transaction: behind a connection pooler each of its statements may run in another session',
    {
      hint: `take it out of ${file.path} (names can be written with their schema, and directives set timeouts), or connect to the server itself`,
      location: locationAt(file.path, file.text, set.start),
    },
  );
}

/** A lock that was not obtained is told in the form that `retryOnLock` knows; everything else goes on as it is. */
async function explained(step: Step, statement: Statement, text: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof StatementError) || !isLockFailure(error)) throw error;
    throw explainFailure(error, step.file, messageOf(statement, text), []);
  }
}

interface Stop {
  readonly error: unknown;
  readonly statement: Statement;
  /** It was run without a transaction around it. */
  readonly bare: boolean;
  readonly index: number;
  readonly finished: number;
  readonly began: Date;
}

/** Records that the run stopped and says how far it came. */
async function stopped(deps: RunnerDeps, schema: string, step: Step, stop: Stop): Promise<unknown> {
  const { error, statement, bare, index, finished, began } = stop;
  const interrupted = deps.signal.aborted;
  // A large file may have been changed since, and that may be the very failure.
  const text = unlessChanged(() => step.file.text.slice(statement.start, statement.end)) ?? '';
  const cause =
    error instanceof StatementError ? explainFailure(error, step.file, messageOf(statement, text), []) : error;
  // What became of the statement is asked in another session, also when a signal came first.
  if (cause instanceof PulseError && cause.code === 'connection-lost') return cause;
  // Asked before anything else: names are still resolved as the statement resolved them.
  const remains = bare ? await remainsOf(deps, step, text, error) : [`statement ${index + 1} was rolled back`];
  if (!interrupted && !(cause instanceof PulseError)) return cause;
  const of = step.file.statements.length;
  // The file is the other run's now: whatever is recorded or said of the rest of it is that one's to say.
  if (isLeaseLost(cause))
    return cause.withResult(undefined, [`${step.file.path}: ${finished} of ${of} statements were done by then`]);
  await recordStop(deps, schema, step, interrupted ? 'interrupted' : 'failed', began, cause);
  const failed = `statement ${index + 1} of ${of} ${interrupted ? 'was interrupted' : 'failed'}`;
  const now = [
    finished === 0
      ? `${step.file.path}: ${failed}`
      : `${step.file.path}: ${finished} of ${of} statements are done, ${failed}`,
    ...remains,
  ];
  if (interrupted)
    return deps.signal.reason instanceof PulseError
      ? deps.signal.reason.withResult(undefined, now)
      : deps.signal.reason;
  if (!(cause instanceof PulseError)) return cause;
  // A refusal of our own came before the statement, or after one that the server had skipped; it has its own hint.
  const refused = error instanceof PulseError;
  const isOwnHint = refused || (error instanceof StatementError && isCancelled(error));
  const code = finished === 0 && (refused || !bare) ? cause.code : 'migration-partial';
  return new PulseError(code, cause.message, {
    hint: isOwnHint
      ? cause.hint
      : `correct the rest of ${step.file.path} and run the command again; what is done is not repeated`,
    now,
    location: cause.location ?? locationAt(step.file.path, step.file.text, statement.start),
    ...(cause.server && { server: cause.server }),
    cause: error,
  });
}

function messageOf({ start, end }: Statement, text: string): Message {
  return { kind: 'sql', text, offset: start, end };
}

/** What a statement outside a transaction left, like the INVALID index of a failed CONCURRENTLY; a sentence each. */
async function remainsOf(deps: RunnerDeps, step: Step, text: string, error: unknown): Promise<readonly string[]> {
  if (error instanceof PulseError && error.code === 'migration-failed') return ['it changed nothing'];
  const left =
    error instanceof StatementError
      ? await leftBehind(deps.session, readBareStatement(text), step.direction).catch(() => null)
      : null;
  if (left === null) return ['it runs outside a transaction and may have left something behind'];
  return left.length === 0 ? ['it left nothing behind'] : left;
}

async function recordStop(
  deps: RunnerDeps,
  schema: string,
  step: Step,
  outcome: 'failed' | 'interrupted',
  began: Date,
  cause: unknown,
): Promise<void> {
  const details = {
    ...step.details,
    ...(cause instanceof PulseError && { error: cause.message, sqlstate: cause.server?.sqlstate ?? null }),
  };
  const row = appendEntry(schema, entryOf(deps, { ...step, details }, deps.newId(), outcome), began);
  // The failure itself is what has to be told; that its record could not be written adds nothing a person can act on.
  await freshSession(deps.session)
    .then(() => deps.session.rows(row))
    .catch(() => {});
}

async function serverTime(deps: RunnerDeps): Promise<Date> {
  // Not as a timestamp, whose text depends on the DateStyle of role and database.
  const [row] = await deps.session.rows<{ seconds: number }>({
    text: "SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) AS seconds",
  });
  return row === undefined ? deps.now() : new Date(row.seconds * 1000);
}
