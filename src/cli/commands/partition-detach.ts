import type { Command } from 'commander';
import { PulseError } from '../../errors.ts';
import type { DetachResult } from '../../partitions/detach.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { openSession, openSettings, runnerDeps, timeFlag } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { bytes } from '../render/format.ts';
import type { Style } from '../style.ts';
import { day, longestLockMs, script } from './partition-flags.ts';

export function registerDetach(group: Command, addAction: AddAction): void {
  const command = group
    .command('detach')
    .argument('<table>', 'the partitioned table')
    .argument('[partition]', 'the partition; or --before')
    .summary('take partitions out of their table, and keep them as tables')
    .description(
      'Takes one partition, or all that end by a day, out of the table; they remain, with their rows, as tables of ' +
        'their own. CONCURRENTLY, or, where a DEFAULT partition forbids that, under a lock that is tried for shortly. ' +
        'A detach that was cut off is finished first. Run again it changes nothing.',
    )
    .option('--before <day>', 'every partition that ends by then')
    .option('--i-know', 'also a partition that rows of now or later belong to')
    .option('--dry-run', 'print the statements, and run none of them');
  examples(command, [
    ['pulse-migrate partition detach commits commits_2024_01', 'one'],
    ['pulse-migrate partition detach commits --before 2024-01-01', 'all of 2023 and before'],
    ['pulse-migrate partition detach commits --before 2024-01-01 --dry-run', 'the very statements, with their locks'],
  ]);
  addAction(command, runDetach);
}

async function runDetach(invocation: Invocation, [table = '', partition]: readonly string[]): Promise<Outcome> {
  const { flags, runtime } = invocation;
  const before = timeFlag(flags, 'before');
  if ((partition === undefined) === (before === null)) {
    throw new PulseError('usage', 'detach takes the name of a partition or --before, and not both', {
      hint: `for example: pulse-migrate partition detach ${table} --before 2024-01-01`,
    });
  }
  const dryRun = flags['dryRun'] === true;
  const settings = await openSettings(invocation);
  const opened = await openSession(invocation, settings);
  try {
    const [{ detach }, { instantOf }] = await Promise.all([
      import('../../partitions/detach.ts'),
      import('../../partitions/calendar.ts'),
    ]);
    const result = await detach(await runnerDeps(invocation, opened), {
      table,
      partition: partition ?? null,
      before: before && instantOf(before),
      now: instantOf(runtime.now()),
      evenCurrent: flags['iKnow'] === true,
      dryRun,
      patience: { ...settings.lock, timeoutMs: Math.min(settings.lock.timeoutMs, longestLockMs) },
    });
    const text = dryRun
      ? script(result.statements, '-- nothing is to be detached')
      : renderDetach(result, invocation.style);
    return { result, text: invocation.global.quiet ? '' : text };
  } finally {
    await opened.session.close();
  }
}

function renderDetach({ name, detached, already, lockedBecause }: DetachResult, style: Style): string {
  const lines = detached.map(
    (one) =>
      `${style.good(style.symbols.done)} ${one.name}  ${one.from === null ? '…' : day(one.from)} to ${one.to === null ? '…' : day(one.to)}, ${bytes(one.bytes)}, ${one.how}`,
  );
  lines.push(...already.map((table) => `${style.faint(style.symbols.done)} ${table} is no partition of ${name}`));
  if (lines.length === 0) lines.push(`${style.faint(style.symbols.done)} ${name} has no such partition`);
  if (lockedBecause !== null && detached.length > 0) lines.push(style.faint(`  under a lock: ${lockedBecause}`));
  if (detached.length > 0) lines.push(style.faint('  nothing was dropped: they are tables of their own now'));
  return `${lines.join('\n')}\n`;
}
