import { PulseError } from '../errors.ts';
import { appendEntry } from '../ledger/append.ts';
import { layoutStatements, layoutVersion, schemaStatement } from '../ledger/layout.ts';
import type { LedgerState, UnfinishedMigration } from '../ledger/ledger.ts';
import { setsTheSession } from './in-doubt-statement.ts';
import { messagesOf } from './messages.ts';
import { refuseEdited } from './resume.ts';
import { beginStatement } from './send-whole.ts';
import { fileSettings, ownStateAgain } from './session-state.ts';
import { entryOf, type RunnerDeps, type Step } from './step.ts';

type ScriptDeps = Pick<RunnerDeps, 'newId' | 'actor' | 'toolVersion'>;

interface Planned {
  readonly ledger: LedgerState;
  readonly steps: readonly Step[];
  /** How long a run would wait for a lock in its last try, milliseconds: a script tries only once. */
  readonly lockTimeoutMs: number;
}

/**
 * What a run would send, as a script for psql: a DBA may run it instead of us, and the ledger is right afterwards.
 * It differs from the run itself in the lease and its guard, which make sense only within a run of ours.
 * @throws {PulseError} `ledger-mismatch` when a file was edited where an earlier run has executed it, `not-possible` for files of more than 256 MiB in all.
 */
export function scriptOf(deps: ScriptDeps, { ledger, steps, lockTimeoutMs }: Planned): string {
  refuseTooLarge(steps);
  const parts = ['-- Stop at the first error: psql --set ON_ERROR_STOP=1 --file SCRIPT', ...installation(deps, ledger)];
  for (const step of steps) {
    parts.push(
      step.file.mode === 'transaction'
        ? inTransaction(deps, ledger.schema, step, step.file.directives.lockTimeoutMs ?? lockTimeoutMs)
        : byStatement(deps, ledger, step),
    );
  }
  return `${parts.join('\n\n')}\n`;
}

/** A script is put together in memory. */
const largestScript = 256 * 1_048_576;

function refuseTooLarge(steps: readonly Step[]): void {
  if (steps.reduce((sum, { file }) => sum + file.text.length, 0) <= largestScript) return;
  throw new PulseError('not-possible', 'the pending files are too large for a script to be made of them', {
    hint: 'plan them a few at a time with --steps or --to; a file of more than 256 MiB is run by up alone',
  });
}

function installation(deps: ScriptDeps, ledger: LedgerState): string[] {
  if (ledger.layout === layoutVersion) return [];
  const statements = [
    ...(ledger.layout === 0 ? [schemaStatement(ledger.schema)] : []),
    ...layoutStatements(ledger.schema, ledger.layout, deps.toolVersion),
  ];
  return [`-- the ledger of pulse-migrate\nBEGIN;\n${statements.map(({ sql }) => `${sql.text};`).join('\n')}\nCOMMIT;`];
}

function inTransaction(deps: ScriptDeps, schema: string, step: Step, lockTimeoutMs: number): string {
  const entry = entryOf(deps as RunnerDeps, step, deps.newId());
  return joinLines([
    `-- ${step.file.path}`,
    'DISCARD ALL;',
    `${beginStatement(step)};`,
    terminated(fileSettings(step.file.directives, 'SET LOCAL', lockTimeoutMs)),
    body(step),
    `${ownStateAgain(lockTimeoutMs)};`,
    `${appendEntry(schema, entry, 'transaction').text};`,
    'COMMIT;',
  ]);
}

/** What an earlier run has done is left out, and its entry is the one that is recorded: that closes its journal. */
function byStatement(deps: ScriptDeps, ledger: LedgerState, step: Step): string {
  const { file } = step;
  const unfinished =
    ledger.unfinished.find((row) => row.number === step.number && row.direction === step.direction) ?? null;
  refuseEdited(step, unfinished);
  const entry = entryOf(deps as RunnerDeps, step, unfinished?.entry ?? deps.newId());
  return joinLines([
    `-- ${file.path} (no transaction)`,
    'DISCARD ALL;',
    terminated(fileSettings(file.directives, 'SET', file.directives.lockTimeoutMs)),
    unfinished === null ? terminated(file.text.slice(0)) : rest(step, unfinished),
    'DISCARD ALL;',
    `${appendEntry(ledger.schema, entry, 'now').text};`,
  ]);
}

function rest(step: Step, { finished, begun }: UnfinishedMigration): string {
  const { file } = step;
  const next = file.statements[finished.length];
  return joinLines([
    `-- ${finished.length} of ${file.statements.length} statements were done by an earlier run and are left out`,
    // A setting went with the session of the run that made it; names in the statements to come may depend on it.
    ...file.statements
      .slice(0, finished.length)
      .map(({ start, end }) => file.text.slice(start, end))
      .filter(setsTheSession)
      .map((text) => `${text};`),
    begun === null ? '' : '-- the next one was begun: look first what it left, like an INVALID index, and drop that',
    next === undefined ? '' : terminated(file.text.slice(next.start)),
  ]);
}

function body(step: Step): string {
  return Array.from(messagesOf(step.file), (message) =>
    message.kind === 'copy'
      ? `${message.text};\n${step.file.text.slice(message.data.start, message.data.end)}\\.`
      : terminated(message.text),
  ).join('\n');
}

function terminated(text: string): string {
  const trimmed = text.trim();
  // A file may end in a comment without a line end, and its last statement without a semicolon: one on a line of its own serves both.
  return trimmed === '' || trimmed.endsWith(';') ? trimmed : `${trimmed}\n;`;
}

function joinLines(lines: readonly string[]): string {
  return lines.filter((line) => line !== '').join('\n');
}
