import type { Command } from 'commander';
import { closestName } from '../../closest-name.ts';
import { PulseError } from '../../errors.ts';
import type { KeyQuery } from '../../key-query.ts';
import type { QueryReport } from '../../reports/queries.ts';
import { visible } from '../../visible.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { choiceFlag, openSettings, positiveInteger } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { type Sheet, sheetFormats } from '../render/sheet.ts';
import { timeoutFlag } from './report-flags.ts';
import { onReportSession } from './report-session.ts';
import { shownSheets } from './shown-sheets.ts';

export function registerReportQueries(group: Command, addAction: AddAction): void {
  const queries = group
    .command('queries')
    .argument('[name...]', 'only these queries of the configuration')
    .summary('key queries against their targets and indexes')
    .description(
      'Runs the queries of the configuration (queries) with parameters from the data, each in a READ ONLY transaction, ' +
        'and holds the time of the server and the indexes of the plans against what is wanted. Exit 1 where one misses.',
    )
    .option('--runs <n>', 'how often each is run, after one run that does not count (20)')
    .option('--timeout <duration>', 'the longest that one run may take (5s)')
    .option('--explain', 'the plan of the slowest run of each')
    .option('--format <format>', `${sheetFormats.join(', ')}; table without it`);
  examples(queries, [
    ['pulse-migrate report queries', 'after a deploy, or weekly'],
    ['pulse-migrate report queries activity-feed --explain', 'why is it slow?'],
  ]);
  addAction(queries, reportQueries);
}

async function reportQueries(invocation: Invocation, names: readonly string[]): Promise<Outcome> {
  const { flags, global, style } = invocation;
  const format = choiceFlag(flags, 'format', sheetFormats) ?? 'table';
  if (flags['explain'] === true && (format === 'csv' || format === 'html')) {
    throw new PulseError('usage', `--explain shows plans as text, for which ${format} has no place`, {
      hint: 'leave --format out',
    });
  }
  const asked = { runs: positiveInteger(flags, 'runs') ?? 20, timeoutMs: timeoutFlag(flags, 5000) };
  const settings = await openSettings(invocation);
  const queries = chosen(settings.queries, names);
  const { measureQueries } = await import('../../reports/queries.ts');
  const reports = await onReportSession(invocation, settings, 'measuring queries', ({ session }) =>
    measureQueries(session, { ...asked, queries }),
  );
  const plans = flags['explain'] === true ? reports.map(planOf).join('') : '';
  const sheet = [...shownSheets(invocation, format, [queriesSheet(reports)])].join('');
  const text = global.quiet ? '' : `${sheet}${plans}`;
  const result = { queries: reports };
  const bad = reports.filter(({ outcome }) => outcome === 'missed' || outcome === 'failed');
  const [first] = bad;
  if (first === undefined) return { result, text };
  const message = `${bad.length} of ${reports.length} key queries missed: ${bad.map(({ name }) => name).join(', ')}`;
  const hint = `see why: pulse-migrate report queries ${first.name} --explain`;
  const more = text === '' || format !== 'table' ? '' : `${style.accent(style.symbols.pointer)} ${hint}\n`;
  return { result, text: `${text}${more}`, no: { code: 'target-missed', message, hint } };
}

function chosen(queries: readonly KeyQuery[], names: readonly string[]): readonly KeyQuery[] {
  if (queries.length === 0) {
    throw new PulseError('not-possible', 'no key query is configured', {
      hint: 'write them into the configuration: see queries in .pulsemigraterc.example',
    });
  }
  if (names.length === 0) return queries;
  return names.map((name) => {
    const found = queries.find((query) => query.name === name);
    if (found !== undefined) return found;
    const known = queries.map((query) => query.name);
    const near = closestName(name, known);
    throw new PulseError('usage', `no query is called ${visible(name)}`, {
      hint: near === null ? `there are: ${known.map(visible).join(', ')}` : `is ${visible(near)} meant?`,
    });
  });
}

/** The report as a sheet. */
export function queriesSheet(reports: readonly QueryReport[]): Sheet {
  const ms = (value: number | null) => (value === null ? '' : `${value.toFixed(1)} ms`);
  return {
    title: `Key queries: ${reports.filter(({ outcome }) => outcome === 'met').length} of ${reports.length} as wanted`,
    columns: [
      { title: 'query' },
      { title: 'outcome' },
      ...['target', 'p50', 'p95', 'max', 'blocks', 'from disk'].map((title, at) => ({
        title,
        right: true,
        rank: Math.max(0, at - 2),
      })),
      { title: 'indexes', rank: 9 },
    ],
    rows: reports.map((report) => [
      visible(report.name),
      report.outcome,
      `${report.targetMs} ms`,
      ms(report.p50),
      ms(report.p95),
      ms(report.max),
      String(report.blocksHit === null ? '' : report.blocksHit + (report.blocksRead ?? 0)),
      String(report.blocksRead ?? ''),
      visible(report.indexes.join(', ')),
    ]),
    notes: reports.flatMap(({ name, why }) => why.map((one) => `${visible(name)}: ${visible(one)}`)),
  };
}

function planOf({ name, plan }: QueryReport): string {
  return plan === null ? '' : `\n${visible(name)}, its slowest run:\n${JSON.stringify(plan, null, 2)}\n`;
}
