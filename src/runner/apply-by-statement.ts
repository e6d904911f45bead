import { PulseError } from '../errors.ts';
import { appendEntry, type JournalMark, markStatement } from '../ledger/append.ts';
import type { UnfinishedMigration } from '../ledger/ledger.ts';
import { checksumOf } from '../migrations/checksum.ts';
import type { Statement } from '../migrations/migration.ts';
import { cannotRunInTransaction } from '../migrations/transaction-rules.ts';
import { explainOwnStatement, StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { raw, sql } from '../postgres/sql.ts';
import { explainFailure } from './failure.ts';
import type { Message } from './messages.ts';
import { fileSettings, freshSession, ownRoleForNow, pooledOpening } from './session-state.ts';
import { type Done, entryOf, type RunnerDeps, type Step } from './step.ts';

/**
 * Runs a file without a transaction around it, statement by statement. Each statement that can have a transaction of
 * its own gets one, with its mark in the journal in the same; the others are marked before and after. What an earlier
 * run finished is not repeated.
 * @throws {PulseError} `migration-partial` when it stopped part of the way, `migration-failed` when nothing was done yet.
 */
export async function applyByStatement(
  deps: RunnerDeps,
  schema: string,
  token: string,
  step: Step,
  unfinished: UnfinishedMigration | null,
): Promise<Done> {
  const { session } = deps;
  const statements = step.file.statements;
  refuseEdited(step, unfinished);
  const entry = unfinished?.entry ?? deps.newId();
  let finished = unfinished?.finished.length ?? 0;
  await freshSession(session);
  const began = await serverTime(deps);
  const settings = fileSettings(step.file.directives, 'SET', step.file.directives.lockTimeoutMs);
  if (settings !== '' && !session.pooled) await session.run(settings);

  for (const [index, statement] of statements.entries()) {
    const resumed = index < (unfinished?.finished.length ?? 0);
    if (!resumed) {
      const mark = {
        entry,
        number: step.number,
        direction: step.direction,
        statement: index + 1,
        statements: statements.length,
        checksum: checksumOf(textOf(step, statement)),
      };
      try {
        deps.signal.throwIfAborted();
        await runOne(deps, schema, token, step, statement, mark);
        finished += 1;
      } catch (error) {
        throw await stopped(deps, schema, step, { error, statement, finished, began });
      }
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
  const [row] = await session
    .rows<{ duration_ms: number }>(appendEntry(schema, entryOf(deps, step, entry), began))
    .catch((error: unknown) => Promise.reject(explainOwnStatement(error, `recording ${step.file.path}`)));
  return { version: step.version, name: step.name, durationMs: row?.duration_ms ?? 0 };
}

/** A statement that was finished and is another one now would leave a database that no file describes. */
function refuseEdited(step: Step, unfinished: UnfinishedMigration | null): void {
  const edited = unfinished?.finished.findIndex((checksum, index) => {
    const statement = step.file.statements[index];
    return statement === undefined || checksumOf(textOf(step, statement)) !== checksum;
  });
  if (edited === undefined || edited < 0) return;
  throw new PulseError(
    'ledger-mismatch',
    `statement ${edited + 1} of ${step.file.path} was changed after it had been executed`,
    {
      hint: `restore the statement and add the correction behind it; or strike the finished part from the record: pulse-migrate repair --forget ${step.version}`,
      location: { file: step.file.path },
    },
  );
}

function textOf(step: Step, statement: Statement): string {
  return step.file.text.slice(statement.start, statement.copyData?.end ?? statement.end);
}

type Mark = Omit<JournalMark, 'state'>;

async function runOne(
  deps: RunnerDeps,
  schema: string,
  token: string,
  step: Step,
  statement: Statement,
  mark: Mark,
): Promise<void> {
  const { session } = deps;
  const text = step.file.text.slice(statement.start, statement.end);
  const note = async (state: 'started' | 'finished') => {
    const rows = await session.rows(sql`${raw(ownRoleForNow)};
${markStatement(schema, { ...mark, state }, token)}`);
    if (rows.length === 0)
      throw new PulseError('lock-not-obtained', 'the run lease was taken over by another run', {
        hint: 'pulse-migrate status',
      });
  };
  if (cannotRunInTransaction(text, statement) !== null) {
    await note('started');
    await runTagged(session, tagOf(token), text);
    await note('finished');
    return;
  }
  await session.run('BEGIN');
  try {
    const opening =
      pooledOpening(session) +
      (session.pooled ? fileSettings(step.file.directives, 'SET LOCAL', step.file.directives.lockTimeoutMs) : '');
    if (opening !== '') await session.run(opening);
    await (statement.copyData === null
      ? session.run(text)
      : session.copyIn(text, step.file.text.slice(statement.copyData.start, statement.copyData.end)));
    await note('finished');
    await session.run('COMMIT');
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    throw error;
  }
}

/** By this another run sees in pg_stat_activity that a statement of ours is still executing, also through a pooler. */
function tagOf(token: string): string {
  return `/* pulse-migrate ${token} */ `;
}

async function runTagged(session: Session, tag: string, text: string): Promise<void> {
  try {
    await session.run(tag + text);
  } catch (error) {
    throw error instanceof StatementError ? error.movedBy(-tag.length) : error;
  }
}

interface Stop {
  readonly error: unknown;
  readonly statement: Statement;
  readonly finished: number;
  readonly began: Date;
}

/** Records that the run stopped and says how far it came. */
async function stopped(deps: RunnerDeps, schema: string, step: Step, stop: Stop): Promise<unknown> {
  const { error, statement, finished, began } = stop;
  const interrupted = deps.signal.aborted;
  const text = step.file.text.slice(statement.start, statement.end);
  const bare = cannotRunInTransaction(text, statement) !== null;
  const message: Message = { kind: 'sql', text, offset: statement.start };
  const cause = error instanceof StatementError ? explainFailure(error, step.file, message, []) : error;
  if (!(cause instanceof PulseError) && !interrupted) return cause;
  await recordStop(deps, schema, step, interrupted ? 'interrupted' : 'failed', began, cause);
  const of = step.file.statements.length;
  const failed = `statement ${finished + 1} of ${of} ${interrupted ? 'was interrupted' : 'failed'}`;
  // A statement outside a transaction may leave something behind, like the INVALID index of a failed CONCURRENTLY.
  const now = [
    finished === 0
      ? `${step.file.path}: ${failed}`
      : `${step.file.path}: ${finished} of ${of} statements are done, ${failed}`,
    bare ? 'it runs outside a transaction and may have left something behind' : 'it was rolled back',
  ];
  if (interrupted)
    return deps.signal.reason instanceof PulseError
      ? deps.signal.reason.withResult(undefined, now)
      : deps.signal.reason;
  if (!(cause instanceof PulseError)) return cause;
  const code = finished === 0 && !bare ? cause.code : 'migration-partial';
  return new PulseError(code, cause.message, {
    hint: `correct the rest of ${step.file.path} and run the command again; what is done is not repeated`,
    now,
    ...(cause.location && { location: cause.location }),
    ...(cause.server && { server: cause.server }),
    cause: error,
  });
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
  const [row] = await deps.session.rows<{ now: Date }>({ text: 'SELECT pg_catalog.clock_timestamp() AS now' });
  return row?.now ?? deps.now();
}
