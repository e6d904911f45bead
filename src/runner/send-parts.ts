import { PulseError } from '../errors.ts';
import type { Statement } from '../migrations/migration.ts';
import { locationAt } from '../migrations/parse-file.ts';
import { heard } from '../postgres/answers.ts';
import { StatementError } from '../postgres/errors.ts';
import { sql } from '../postgres/sql.ts';
import { endedItself } from './guard-failure.ts';
import { refuseMissingIndex } from './in-doubt-index.ts';
import { readBareStatement } from './in-doubt-statement.ts';
import { behindOwn, type Message, messagesOf, rowsOf } from './messages.ts';
import { readAsSent } from './read-as-sent.ts';
import type { RunnerDeps, Step } from './step.ts';

/** So many characters of a file are on their way at once: what is on its way is kept in memory. */
const charactersAtMost = 1_000_000;

interface OnItsWay {
  readonly message: Message;
  readonly answer: Promise<void>;
}

/**
 * Sends a file in parts within the transaction `xid`, and waits only where a part has to be looked into, where data
 * follow, and for what is on its way to stay bounded. Behind a failure nothing runs: the transaction is aborted then,
 * or, where a part has ended it, each of the others fails by itself outside of it. `onHeard` is told the part whose
 * answer is waited for, null when all are through. Returns when the server has answered everything.
 * @throws {StatementError} of the first part that failed; {PulseError} `migration-partial` when the file ended its transaction.
 */
export async function sendParts(
  { session, signal, emit }: RunnerDeps,
  step: Step,
  xid: string,
  onHeard: (message: Message | null) => void,
): Promise<void> {
  const { file } = step;
  const onItsWay: OnItsWay[] = [];
  let characters = 0;
  const progress = (bytes: number) => {
    if (typeof file.text === 'string') return;
    file.text.checksum.advance(bytes);
    emit({ type: 'migration-progress', version: step.version, bytes, totalBytes: file.text.length });
  };
  const within = `SELECT ${onlyWithin(xid).text}`;
  const hear = async ({ message, answer }: OnItsWay) => {
    onHeard(message);
    await (message.kind === 'sql' && message.own !== undefined ? answer.catch(refuseOutside(step, 0)) : answer);
    characters -= message.text.length;
    progress(message.end);
  };
  const hearUntil = async (left: number) => {
    for (let next = onItsWay[0]; next !== undefined && characters > left; next = onItsWay[0]) {
      onItsWay.shift();
      await hear(next);
    }
  };
  let first = true;
  for (const message of messagesOf(file)) {
    // The cancel request went out at the signal; a statement begun behind it would run to its end.
    signal.throwIfAborted();
    if (message.kind === 'copy') {
      await hearUntil(0);
      onHeard(message);
      // What is sent as data cannot look for the transaction itself.
      if (!first) await session.run(`${readAsSent('SET LOCAL')}; ${within}`).catch(refuseOutside(step, 2));
      const rows = rowsOf(file.text, message.data);
      await session.copyIn(
        message.text,
        counted(rows, (bytes) => progress(message.data.start + bytes)),
      );
    } else {
      const part = first ? message : behindOwn(message, within);
      const settings = first ? Promise.resolve() : heard(session.run(readAsSent('SET LOCAL')));
      const ran = heard(session.run(part.text));
      // A failure of the first says what the failure of the second follows from.
      onItsWay.push({ message: part, answer: heard(settings.then(() => ran)) });
      characters += part.text.length;
      await hearUntil(message.last === undefined ? charactersAtMost : 0);
      if (message.last !== undefined) await refuseSkipped(session, step, message.last);
    }
    first = false;
  }
  await hearUntil(0);
  if (typeof file.text !== 'string') {
    file.text.assertUnchanged();
    file.text.release();
  }
  onHeard(null);
}

/** Fails outside of the transaction, whatever role and search_path the file has set. */
function onlyWithin(xid: string) {
  return sql`1 OPERATOR(pg_catalog./) (CASE WHEN pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text OPERATOR(pg_catalog.=) ${xid} THEN 1 ELSE 0 END)`;
}

/** Tells the failure of our own look for the transaction, division_by_zero behind so many statements, as what it means. */
function refuseOutside(step: Step, completed: number): (error: unknown) => never {
  return (error) => {
    const isOurs = error instanceof StatementError && error.sqlstate === '22012' && error.completed === completed;
    throw isOurs ? endedItself(step) : error;
  };
}

function* counted(rows: Iterable<string | Buffer>, onSent: (bytes: number) => void): Generator<string | Buffer, void> {
  let bytes = 0;
  for (const part of rows) {
    yield part;
    bytes += part.length;
    onSent(bytes);
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
