import { appendEntry } from '../ledger/append.ts';
import { layoutStatements, layoutVersion, schemaStatement } from '../ledger/layout.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import { beginStatement } from './apply-in-transaction.ts';
import { messagesOf } from './messages.ts';
import { fileSettings } from './session-state.ts';
import { entryOf, type RunnerDeps, type Step } from './step.ts';

/**
 * What a run would send, as a script for psql: a DBA may run it instead of us, and the ledger is right afterwards.
 * It differs from the run itself in the lease and its guard, which make sense only within a run of ours.
 */
export function scriptOf(
  deps: Pick<RunnerDeps, 'newId' | 'actor' | 'toolVersion'>,
  ledger: LedgerState,
  steps: readonly Step[],
): string {
  const parts = ['-- Stop at the first error: psql --set ON_ERROR_STOP=1 --file SCRIPT', ...installation(deps, ledger)];
  for (const step of steps) parts.push(stepScript(deps, ledger.schema, step));
  return `${parts.join('\n\n')}\n`;
}

function installation(deps: Pick<RunnerDeps, 'toolVersion'>, ledger: LedgerState): string[] {
  if (ledger.layout === layoutVersion) return [];
  const statements = [
    ...(ledger.layout === 0 ? [schemaStatement(ledger.schema)] : []),
    ...layoutStatements(ledger.schema, ledger.layout, deps.toolVersion),
  ];
  return [`-- the ledger of pulse-migrate\nBEGIN;\n${statements.map(({ sql }) => `${sql.text};`).join('\n')}\nCOMMIT;`];
}

function stepScript(deps: Pick<RunnerDeps, 'newId' | 'actor' | 'toolVersion'>, schema: string, step: Step): string {
  const entry = entryOf(deps as RunnerDeps, step, deps.newId());
  const head = `-- ${step.file.path}${step.file.mode === 'transaction' ? '' : ' (no transaction)'}`;
  if (step.file.mode === 'no-transaction') {
    return joinLines([
      head,
      'DISCARD ALL;',
      terminated(fileSettings(step.file.directives, 'SET', step.file.directives.lockTimeoutMs)),
      terminated(step.file.text),
      'DISCARD ALL;',
      `${appendEntry(schema, entry, 'now').text};`,
    ]);
  }
  return joinLines([
    head,
    'DISCARD ALL;',
    `${beginStatement(step)};`,
    terminated(fileSettings(step.file.directives, 'SET LOCAL', step.file.directives.lockTimeoutMs)),
    body(step),
    'RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL;',
    `${appendEntry(schema, entry, 'transaction').text};`,
    'COMMIT;',
  ]);
}

function body(step: Step): string {
  return messagesOf(step.file)
    .map((message) => (message.kind === 'copy' ? `${message.text};\n${message.rows}\\.` : terminated(message.text)))
    .join('\n');
}

function terminated(text: string): string {
  const trimmed = text.trim();
  // A file may end in a comment without a line end, and its last statement without a semicolon: one on a line of its own serves both.
  return trimmed === '' || trimmed.endsWith(';') ? trimmed : `${trimmed}\n;`;
}

function joinLines(lines: readonly string[]): string {
  return lines.filter((line) => line !== '').join('\n');
}
