import type { Command } from 'commander';
import { type SlowReport, slowOrders } from '../../reports/statement-statistics.ts';
import { visible } from '../../visible.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { choiceFlag, openSettings, positiveInteger } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { cutTo, duration } from '../render/format.ts';
import { type Sheet, sheetFormats } from '../render/sheet.ts';
import { onReportSession } from './report-session.ts';
import { shownSheets } from './shown-sheets.ts';

export function registerReportSlow(group: Command, addAction: AddAction): void {
  const slow = group
    .command('slow')
    .summary('statements that take the most time')
    .description(
      'Reads pg_stat_statements, where it is installed: what took the most time in this database, all calls together.',
    )
    .option('--top <n>', 'so many (20)')
    .option('--by <order>', `${slowOrders.join(', ')}; total without it`)
    .option('--format <format>', `${sheetFormats.join(', ')}; table without it`);
  examples(slow, [
    ['pulse-migrate report slow', 'what costs the most'],
    ['pulse-migrate report slow --by mean --top 5', 'what is slow each time'],
  ]);
  addAction(slow, reportSlow);
}

async function reportSlow(invocation: Invocation): Promise<Outcome> {
  const { flags } = invocation;
  const top = positiveInteger(flags, 'top') ?? 20;
  const order = choiceFlag(flags, 'by', slowOrders) ?? 'total';
  const format = choiceFlag(flags, 'format', sheetFormats) ?? 'table';
  const settings = await openSettings(invocation);
  const { readSlow } = await import('../../reports/statement-statistics.ts');
  const report = await onReportSession(invocation, settings, 'reading statistics of statements', ({ session }) =>
    readSlow(session, order, top),
  );
  return { result: report, text: shownSheets(invocation, format, [slowSheet(report)]) };
}

const longest = 100;

function slowSheet({ statements, notLooked, hint }: SlowReport): Sheet {
  return {
    title: 'Statements by time',
    columns: [
      ...['calls', 'total', 'mean', 'max', 'rows', 'share'].map((title, at) => ({
        title,
        right: true,
        rank: at > 2 ? at : 0,
      })),
      { title: 'statement' },
    ],
    rows: statements.map(({ calls, totalMs, meanMs, maxMs, rows, share, query }) => [
      ...[String(calls), duration(totalMs), duration(meanMs), duration(maxMs), String(rows)],
      `${((share ?? 0) * 100).toFixed(1)} %`,
      cutTo(visible(query.replaceAll(/\s+/g, ' ').trim()), longest),
    ]),
    notes: notLooked === null ? [] : [`Not looked at: ${notLooked}.`, ...(hint === null ? [] : [hint])],
  };
}
