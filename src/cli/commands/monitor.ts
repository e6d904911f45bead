import type { Command } from 'commander';
import { durationUnits, parseDuration } from '../../durations.ts';
import { PulseError } from '../../errors.ts';
import type { MonitorChange, Monitoring } from '../../reports/monitor.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { openSettings, textFlag } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { wrapped } from '../render/format.ts';
import type { Style } from '../style.ts';
import { onReportSession } from './report-session.ts';

export function registerMonitor(program: Command, addAction: AddAction): void {
  const group = program
    .command('monitor')
    .summary('have the server write down what is slow')
    .description('Settings of the database by which slow statements are found.');
  const setup = group
    .command('setup')
    .summary('log slow statements, and collect statistics of all')
    .description(
      'Sets log_min_duration_statement for new sessions of this database, and installs pg_stat_statements where the server ' +
        'has loaded it. Shows what was before and what is now; --undo takes back what it did.',
    )
    .option('--slow <duration>', 'log statements that take longer (100ms)')
    .option('--undo', 'as it was before the first setup')
    .option('--dry-run', 'print the statements, and run none of them');
  examples(setup, [
    ['pulse-migrate monitor setup', 'log what takes longer than 100 ms'],
    ['pulse-migrate monitor setup --slow 1s --dry-run', 'the very statements'],
    ['pulse-migrate monitor setup --undo', 'as it was'],
  ]);
  addAction(setup, setUp);
}

async function setUp(invocation: Invocation): Promise<Outcome> {
  const { flags, global, style } = invocation;
  const { isTerminal, columns } = invocation.runtime.stdout;
  const slowMs = slowOf(flags);
  const dryRun = flags['dryRun'] === true;
  const isUndo = flags['undo'] === true;
  const settings = await openSettings(invocation);
  const { setUpMonitoring, undoMonitoring } = await import('../../reports/monitor.ts');
  const change = await onReportSession(invocation, settings, 'setting up the monitoring', ({ session }) =>
    isUndo
      ? undoMonitoring(session, settings.ledgerSchema, dryRun)
      : setUpMonitoring(session, settings.ledgerSchema, slowMs, dryRun),
  );
  return {
    result: change,
    text: global.quiet
      ? ''
      : rendered(change, { dryRun, isUndo, style, width: isTerminal ? columns : Number.POSITIVE_INFINITY }),
  };
}

function slowOf(flags: Invocation['flags']): number {
  const text = textFlag(flags, 'slow') ?? '100ms';
  const milliseconds = parseDuration(text);
  if (milliseconds !== null) return milliseconds;
  throw new PulseError('usage', `--slow takes a duration (${durationUnits}), not "${text}"`, {
    hint: 'for example: --slow 100ms',
  });
}

interface Shown {
  readonly dryRun: boolean;
  readonly isUndo: boolean;
  readonly style: Style;
  /** Columns of a line. */
  readonly width: number;
}

function rendered(change: MonitorChange, { dryRun, isUndo, style, width }: Shown): string {
  const { before, after, statements } = change;
  if (dryRun) return statements.length === 0 ? '-- nothing to do\n' : `${statements.join(';\n')};\n`;
  const lines =
    statements.length === 0
      ? [`Nothing to do: ${shown(before)}`]
      : [
          `before: ${shown(before)}`,
          `now:    ${isUndo ? shown({ ...after, now: null }) : shown(after)}, in new sessions`,
        ];
  return `${[
    ...lines.map((line) => wrapped(line, width, { indent: 2 })),
    ...statements.map((statement) => style.faint(`  ${statement}`)),
    ...(isUndo ? [] : [wrapped(advice(after), width, { indent: 2 })]),
  ].join('\n')}\n`;
}

/** `now` is null where this session still has what its database had when it began. */
function shown({ ofDatabase, now, statistics }: Omit<Monitoring, 'now'> & { readonly now: string | null }): string {
  const servers = now === null ? "the server's" : `the server's (${now === '-1' ? 'off' : now})`;
  const slow = ofDatabase === null ? servers : ofDatabase === '-1' ? 'off' : `${ofDatabase} ms`;
  return `slow statements ${slow}, pg_stat_statements ${statistics}`;
}

function advice({ statistics }: Monitoring): string {
  switch (statistics) {
    case 'not loaded by the server':
      return 'For statistics of all statements: shared_preload_libraries = pg_stat_statements in postgresql.conf, restart the server, then run this again.';
    case 'not there':
      return "For statistics of all statements: install the server's contrib package, which has pg_stat_statements.";
    case 'can be installed':
      return 'For statistics of all statements, which this role may not install, as a superuser in this database: CREATE EXTENSION pg_stat_statements';
    default:
      return 'What takes the most time: pulse-migrate report slow';
  }
}
