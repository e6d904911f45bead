import type { PlannedStatement } from '../../partitions/new-partition.ts';

/** Below the deadlock_timeout of a server as it comes, so that it is we who give up and never a client, milliseconds. */
export const longestLockMs = 200;

/** Statements with what they are for, as a script; `nothing` is what stands there where there is none. */
export function script(statements: readonly PlannedStatement[], nothing: string): string {
  if (statements.length === 0) return `${nothing}\n`;
  return statements.map(({ purpose, lock, sql }) => `-- ${purpose}; lock: ${lock}\n${sql};\n`).join('');
}

/** The day alone, where an instant is the beginning of one. */
export function day(iso: string): string {
  return iso.replace('T00:00:00Z', '');
}
