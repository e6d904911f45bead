import type { Command } from 'commander';
import type { LockNode, LocksReport } from '../../reports/locks.ts';
import { visible } from '../../visible.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { type Opened, openSettings, positiveInteger } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { count, duration } from '../render/format.ts';
import type { Style } from '../style.ts';
import { onReportSession } from './report-session.ts';

export function registerReportLocks(group: Command, addAction: AddAction): void {
  const locks = group
    .command('locks')
    .summary('who blocks whom, as a tree')
    .description('Shows who waits for a lock in this database, for how long, and below whom. It ends nobody.')
    .option('--watch [seconds]', 'again and again, every 2 seconds unless it says otherwise, until Ctrl-C');
  examples(locks, [
    ['pulse-migrate report locks', 'why does everything stand still?'],
    ['pulse-migrate report locks --watch 5', 'and what becomes of it'],
  ]);
  addAction(locks, reportLocks);
}

async function reportLocks(invocation: Invocation): Promise<Outcome> {
  const { flags } = invocation;
  const isWatching = flags['watch'] !== undefined;
  const seconds = flags['watch'] === true ? 2 : (positiveInteger(flags, 'watch') ?? 2);
  const settings = await openSettings(invocation);
  return onReportSession(invocation, settings, 'reading locks', (opened) =>
    watched(invocation, opened, isWatching ? seconds : null),
  );
}

/** Once, or every so many seconds until Ctrl-C. */
async function watched(invocation: Invocation, { session }: Opened, seconds: number | null): Promise<Outcome> {
  const { global, style, runtime } = invocation;
  const { readLocks } = await import('../../reports/locks.ts');
  for (;;) {
    const report = await readLocks(session);
    const text = global.quiet ? '' : rendered(report, style);
    if (seconds === null) return { result: report, text };
    const round = { at: runtime.now().toISOString(), ...report };
    runtime.stdout.write(global.json ? `${JSON.stringify(round)}\n` : `${round.at}\n${text}\n`);
    try {
      await runtime.sleep(seconds * 1000);
    } catch (error) {
      // Ctrl-C is how it ends.
      if (runtime.signal.aborted) return { result: round, text: '' };
      throw error;
    }
  }
}

function rendered({ blockers, waiting, isHidden }: LocksReport, style: Style): string {
  if (blockers.length === 0) return 'Nobody waits for a lock.\n';
  const hidden = isHidden
    ? [
        style.careful(
          'What others do is hidden from this role: GRANT pg_read_all_stats TO it shows statements and ages.',
        ),
      ]
    : [];
  const lines = blockers.flatMap((blocker) => linesOf(blocker, '', style));
  return `${[`${count(waiting, 'backend')} ${waiting === 1 ? 'waits' : 'wait'}`, ...lines, ...hidden].join('\n')}\n`;
}

const longestStatement = 100;

function linesOf(node: LockNode, indent: string, style: Style): string[] {
  const { pid, role, application, state, transactionSeconds, waitSeconds, wants, statement, waiting, isAgain } = node;
  const ages = [
    ...(transactionSeconds === null ? [] : [`transaction of ${duration(transactionSeconds * 1000)}`]),
    ...(waitSeconds === null
      ? []
      : [style.careful(`waits ${duration(waitSeconds * 1000)} for ${visible(wants ?? '')}`)]),
  ];
  const who = [style.strong(`pid ${pid}`), visible(role), visible(application), state ?? '', ...ages];
  const what = visible((statement ?? '').replaceAll(/\s+/g, ' ').trim());
  const cut = [...what].length > longestStatement ? `${[...what].slice(0, longestStatement).join('')}…` : what;
  const end = `${style.accent(style.symbols.pointer)} SELECT pg_cancel_backend(${pid}); to end its session: SELECT pg_terminate_backend(${pid})`;
  return [
    `${indent}${who.filter((word) => word !== '').join('  ')}${isAgain ? '  (in a circle)' : ''}`,
    ...(cut === '' ? [] : [style.faint(`${indent}  ${cut}`)]),
    ...(indent === '' ? [`  ${end}`] : []),
    ...waiting.flatMap((one) => linesOf(one, `${indent}    `, style)),
  ];
}
