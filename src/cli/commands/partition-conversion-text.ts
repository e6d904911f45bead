import type { ConversionStatus } from '../../partitions/convert/status.ts';
import { typedName } from '../../partitions/shown-name.ts';
import { count, duration, moment } from '../render/format.ts';
import type { Style } from '../style.ts';

/** A conversion or split for people: where it is, its figures, and what to type next. Lines fit into 80 columns where names do. */
export function renderConversion(status: ConversionStatus, style: Style): string {
  const { name, phase, key, period, strategy, swappedAt, lastError } = status;
  const { text, commands } = nextOf(status);
  return [
    `${style.strong(name)}${strategy === 'split' ? ' split' : ''} by ${key}, a partition each ${period}: ${phase}`,
    ...packed([...(swappedAt === null ? [] : [`swapped ${moment(swappedAt)}`]), ...figuresOf(status)]).map((line) =>
      style.faint(`  ${line}`),
    ),
    ...(status.isClosed
      ? [style.careful(`  no row at or behind ${status.cutover} is taken until it goes on or is given up`)]
      : []),
    ...(lastError === null ? [] : [style.bad(`  the last run ended with: ${lastError}`)]),
    `  ${style.accent(style.symbols.pointer)} ${text}`,
    ...commands.map((command) => `    ${command}`),
  ].join('\n');
}

function figuresOf(status: ConversionStatus): readonly string[] {
  const lock = `longest lock ${duration(status.worstLockMs)}`;
  if (status.strategy === 'attach') {
    return [`unique keys with the time ${status.indexesBuilt} of ${status.indexes}`, `cutover ${status.cutover}`, lock];
  }
  const rate = status.rowsPerSecond === null ? '' : ` at ${status.rowsPerSecond} rows/s`;
  return [
    `copied ${count(status.rowsCopied, 'row')} (${Math.floor(status.copied * 100)} %)${rate}`,
    ...(status.secondsLeft === null ? [] : [`${duration(status.secondsLeft * 1000)} left`]),
    `indexes ${status.indexesBuilt} of ${status.indexes}`,
    `${count(status.backlog, 'change')} waiting`,
    lock,
  ];
}

/** Room for the figures beside what stands before them. */
const lineLength = 76;

function packed(parts: readonly string[]): readonly string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const line = lines.at(-1);
    if (line === undefined || line.length + part.length + 2 > lineLength) lines.push(part);
    else lines[lines.length - 1] = `${line}, ${part}`;
  }
  return lines;
}

interface Next {
  readonly text: string;
  readonly commands: readonly string[];
}

const kept: Readonly<Record<ConversionStatus['strategy'], readonly [what: string, end: string]>> = {
  copy: ['is kept', 'drop it'],
  attach: ['holds what there was', 'end it'],
  split: ['is what it was, kept apart', 'drop it'],
};

const gone: Readonly<Record<ConversionStatus['strategy'], string>> = {
  copy: 'the old table is dropped',
  attach: 'there is no way back any more',
  split: 'the partition that was split is dropped',
};

function nextOf(status: ConversionStatus): Next {
  const { phase, strategy, oldTable, mayFinish, swappedAt } = status;
  const command = (step: string) => `pulse-migrate partition ${step} ${typedName(status)}`;
  switch (phase) {
    case 'completed': {
      const [what, end] = kept[strategy];
      const finish = `${command('finish')} --i-know`;
      const when = mayFinish ? end : `later ${end}`;
      return strategy === 'split'
        ? { text: `${oldTable} ${what}; ${when}:`, commands: [finish] }
        : { text: `${oldTable} ${what}; ${when}, or go back:`, commands: [finish, command('rollback')] };
    }
    case 'finished':
      return { text: gone[strategy], commands: [] };
    case 'aborted':
      return { text: 'the table is as it was', commands: [] };
    case 'rolled-back':
      return { text: 'the old table is back, with everything that was written', commands: [] };
    default:
      return swappedAt === null
        ? { text: 'go on, or give it up:', commands: [command('resume'), command('abort')] }
        : { text: 'go on:', commands: [command('resume')] };
  }
}
