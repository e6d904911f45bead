import { PulseError } from '../../errors.ts';
import { type Strategy, strategies } from '../../partitions/convert/strategy.ts';
import type { PlannedStatement } from '../../partitions/new-partition.ts';
import type { Invocation } from '../cli.ts';
import { choiceFlag } from '../open.ts';

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

/** Of each strategy the flags that say nothing to it, and what to type instead. */
const strays: Readonly<Record<Strategy, { readonly flags: readonly string[]; readonly hint: string }>> = {
  copy: { flags: ['cutover'], hint: 'with --strategy attach it says where the first partition ends' },
  attach: {
    flags: ['from', 'to'],
    hint: 'no row is copied: the first partition has all there is before --cutover, the others begin there',
  },
};

/**
 * How a table is to be converted.
 * @throws {PulseError} `usage` for no strategy there is, and for flags of the other one.
 */
export function strategyFlag(flags: Invocation['flags']): Strategy {
  const strategy = choiceFlag(flags, 'strategy', strategies) ?? 'copy';
  const stray = strays[strategy].flags.find((flag) => flags[flag] !== undefined);
  if (stray === undefined) return strategy;
  throw new PulseError('usage', `--${stray} says nothing to --strategy ${strategy}`, { hint: strays[strategy].hint });
}
