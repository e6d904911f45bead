import type { Command } from 'commander';
import { periods } from '../../partitions/calendar.ts';
import type { DrainResult } from '../../partitions/drain.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { choiceFlag, openSession, openSettings, positiveInteger, runnerDeps } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { count } from '../render/format.ts';
import type { Style } from '../style.ts';
import { day, longestLockMs, script } from './partition-flags.ts';

export function registerDrain(group: Command, addAction: AddAction): void {
  const command = group
    .command('drain')
    .argument('<table>', 'the partitioned table')
    .summary('move rows out of the DEFAULT partition into their own')
    .description(
      'Moves rows that wait in the DEFAULT partition into partitions of their own ranges, which it makes with all ' +
        'properties of the others. Rows are copied while clients work; the table is locked for a moment at the end of ' +
        'each range. A command that is killed leaves nothing half done; run again it goes on.',
    )
    .option('--period <period>', `${periods.join(', ')}; without it as the partitions show`)
    .option('--max-partitions <n>', 'make at most so many (36)')
    .option('--max-rows <n>', 'refuse ranges with more rows, for which clients would wait longer (25000: some 0.2 s)')
    .option('--dry-run', 'print the statements, and run none of them');
  examples(command, [
    ['pulse-migrate partition drain commits', 'then partition create-next has nothing in its way'],
    ['pulse-migrate partition drain commits --dry-run', 'the very statements, with their locks'],
  ]);
  addAction(command, runDrain);
}

const usualMost = 36;
const usualRows = 25_000;

async function runDrain(invocation: Invocation, [table = '']: readonly string[]): Promise<Outcome> {
  const { flags } = invocation;
  const dryRun = flags['dryRun'] === true;
  const asked = {
    table,
    dryRun,
    period: choiceFlag(flags, 'period', periods) ?? null,
    mostPartitions: positiveInteger(flags, 'maxPartitions') ?? usualMost,
    mostRows: positiveInteger(flags, 'maxRows') ?? usualRows,
  };
  const settings = await openSettings(invocation);
  const opened = await openSession(invocation, settings);
  try {
    const { drain } = await import('../../partitions/drain.ts');
    const timeoutMs = Math.min(settings.lock.timeoutMs, longestLockMs);
    const result = await drain(await runnerDeps(invocation, opened), {
      ...asked,
      patience: { ...settings.lock, timeoutMs },
    });
    const text = dryRun
      ? script(result.statements, '-- nothing waits to be moved')
      : renderDrain(result, invocation.style);
    return { result, text: invocation.global.quiet ? '' : text };
  } finally {
    await opened.session.close();
  }
}

function renderDrain({ name, drained, timeless }: DrainResult, style: Style): string {
  const lines = drained.map(
    (one) =>
      `${style.good(style.symbols.done)} ${one.name}  ${day(one.from)} to ${day(one.to)}, ${count(one.rows, 'row')}, locked for ${one.lockedMs} ms`,
  );
  if (lines.length === 0)
    lines.push(`${style.faint(style.symbols.done)} ${name}: nothing waits in a DEFAULT partition`);
  if (timeless > 0) lines.push(style.careful(`  ${count(timeless, 'row')} without a finite time stay in it`));
  return `${lines.join('\n')}\n`;
}
