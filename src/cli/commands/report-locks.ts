import type { Command } from 'commander';
import { PulseError } from '../../errors.ts';
import type { LockNode, LocksReport } from '../../reports/locks.ts';
import { visible } from '../../visible.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { type Opened, openSettings, positiveInteger } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { count, cutTo, duration, widthOf, wrapped } from '../render/format.ts';
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
  if (seconds > longestPause) {
    throw new PulseError('usage', `--watch takes at most ${longestPause} seconds, a day, not ${seconds}`, {
      hint: 'for example: --watch 60',
    });
  }
  const settings = await openSettings(invocation);
  return onReportSession(invocation, settings, 'reading locks', (opened) =>
    watched(invocation, opened, isWatching ? seconds : null),
  );
}

/** Seconds. A timer of Node's of more than 24.8 days ends at once. */
const longestPause = 86_400;

/** Once, or every so many seconds until Ctrl-C, or until nobody reads it any more. */
async function watched(invocation: Invocation, { session }: Opened, seconds: number | null): Promise<Outcome> {
  const { global, style, runtime } = invocation;
  const { readLocks } = await import('../../reports/locks.ts');
  for (;;) {
    const report = await readLocks(session);
    const text = global.quiet
      ? ''
      : rendered(report, style, runtime.stdout.isTerminal ? runtime.stdout.columns : Number.POSITIVE_INFINITY);
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
    if (runtime.stdout.isGone) return { result: round, text: '' };
  }
}

function rendered({ blockers, waiting, isHidden, toSee }: LocksReport, style: Style, width: number): string {
  if (blockers.length === 0) return 'Nobody waits for a lock.\n';
  const hidden = `What others do is hidden from this role. To see statements and ages: ${toSee}`;
  const lines = [
    `${count(waiting, 'backend')} ${waiting === 1 ? 'waits' : 'wait'}`,
    ...blockers.flatMap((blocker) => linesOf(blocker, '', { style, width })),
    ...(isHidden ? paintedLines(hidden, style.careful, '', width) : []),
  ];
  return `${lines.join('\n')}\n`;
}

interface Screen {
  readonly style: Style;
  /** Columns of a line. */
  readonly width: number;
}

const longestStatement = 100;

function linesOf(node: LockNode, indent: string, screen: Screen): string[] {
  const { style, width } = screen;
  const inner = `${indent}  `;
  const what = visible((node.statement ?? '').replaceAll(/\s+/g, ' ').trim());
  const room = Math.max(20, Math.min(longestStatement, width - inner.length));
  const isWithEnding = indent === '' || node.heldElsewhere.length > 0;
  return [
    ...whoLines(node, indent, screen),
    ...(what === '' ? [] : [style.faint(inner + cutTo(what, room))]),
    ...(isWithEnding ? endings(node).flatMap((one) => endingLines(one, inner, screen)) : []),
    ...node.waiting.flatMap((one) => linesOf(one, `${indent}    `, screen)),
  ];
}

/** Who it is, on one line where that holds it, and else a line for each thing to say. */
function whoLines(node: LockNode, indent: string, { style, width }: Screen): string[] {
  const { pid, role, application, state, transactionSeconds: age, waitSeconds, wants, isAgain } = node;
  const plain = (text: string) => text;
  const parts = [
    { text: `pid ${pid}`, paint: style.strong },
    ...[visible(role), visible(application), state ?? ''].map((text) => ({ text, paint: plain })),
    { text: age === null ? '' : `transaction of ${duration(age * 1000)}`, paint: plain },
    {
      text: waitSeconds === null ? '' : `waits ${duration(waitSeconds * 1000)} for ${visible(wants ?? '')}`,
      paint: style.careful,
    },
    { text: isAgain ? '(in a circle)' : '', paint: plain },
  ].filter(({ text }) => text !== '');
  const line = indent + parts.map(({ text }) => text).join('  ');
  if (widthOf(line) <= width) return [indent + parts.map(({ text, paint }) => paint(text)).join('  ')];
  return parts.flatMap(({ text, paint }, at) => paintedLines(text, paint, at === 0 ? indent : `${indent}  `, width));
}

function paintedLines(text: string, paint: (line: string) => string, indent: string, width: number): string[] {
  return wrapped(text, width - indent.length)
    .split('\n')
    .map((line) => indent + paint(line));
}

function endingLines(text: string, indent: string, { style, width }: Screen): string[] {
  const [first = '', ...more] = wrapped(text, width - indent.length - 2).split('\n');
  return [`${indent}${style.accent(style.symbols.pointer)} ${first}`, ...more.map((line) => `${indent}  ${line}`)];
}

/** What to type about who is in the way, who may have no line here. */
function endings({ pid, heldElsewhere }: LockNode): readonly string[] {
  if (heldElsewhere.length === 0) return ending(pid);
  return heldElsewhere.flatMap((one) =>
    one === 0
      ? [
          'a prepared transaction holds it: SELECT * FROM pg_prepared_xacts',
          'then COMMIT PREPARED or ROLLBACK PREPARED',
        ]
      : [`pid ${one} holds it, from another database`, ...ending(one)],
  );
}

/** Its statement, and where that is not enough its session. */
function ending(pid: number): readonly string[] {
  return [`SELECT pg_cancel_backend(${pid})`, `to end its session: SELECT pg_terminate_backend(${pid})`];
}
