import type { Command } from 'commander';
import type { Settings } from '../../config/settings.ts';
import type { FreeDisk } from '../../doctor/disk/free-disk.ts';
import type { Session } from '../../postgres/session.ts';
import type { Crossing, Line, Point } from '../../reports/fit-line.ts';
import { diskFull, type Growth, type TableGrowth, type Triggers } from '../../reports/growth.ts';
import { shownName } from '../../reports/relation-names.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { choiceFlag, openSettings, positiveInteger } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { bytes } from '../render/format.ts';
import { type Sheet, sheetFormats } from '../render/sheet.ts';
import { onReportSession } from './report-session.ts';
import { shownSheets } from './shown-sheets.ts';

export function registerReportGrowth(group: Command, addAction: AddAction): void {
  const growth = group
    .command('growth')
    .argument('[table...]', 'only these tables')
    .summary('growth a day, and when a trigger will be reached')
    .description(
      'Lays a line through what report sizes --record has kept: rows and bytes a day, with the interval that holds in 95 ' +
        'of 100 cases, and the day on which each trigger of the configuration (partitions: commits: { trigger: { rows: ' +
        '5000000 } }) will be reached.',
    )
    .option('--top <n>', `the largest n beside those with a trigger (${largest})`)
    .option('--format <format>', `${sheetFormats.join(', ')}; table without it`);
  examples(growth, [
    ['pulse-migrate report growth', 'what grows, and until when'],
    ['pulse-migrate report growth commits --json', 'one table, as data'],
  ]);
  addAction(growth, reportGrowth);
}

async function reportGrowth(invocation: Invocation, tables: readonly string[]): Promise<Outcome> {
  const { flags, style } = invocation;
  const top = positiveInteger(flags, 'top') ?? largest;
  const format = choiceFlag(flags, 'format', sheetFormats) ?? 'table';
  const settings = await openSettings(invocation);
  const { readGrowth } = await import('../../reports/growth.ts');
  const { growth, disk } = await onReportSession(invocation, settings, 'reading growth', async ({ session }) => ({
    growth: await readGrowth(session, settings.ledgerSchema, { tables, triggers: triggersOf(settings), top }),
    disk: await freeDiskOf(invocation, settings, session),
  }));
  const sheet = growthSheet(growth, disk, style.symbols.pointer !== '>');
  const full = disk.freeBytes === null ? null : diskFull(growth, disk.freeBytes);
  const plots = format === 'html' ? (await import('./growth-plots.ts')).growthPlots(growth, plotted) : [];
  return {
    result: { ...growth, disk: { ...disk, full } },
    text: shownSheets(invocation, format, [sheet, ...plots]),
  };
}

/** So many tables have a plot on a page, those that grow fastest. */
export const plotted = 6;

/** So many tables are shown beside those with a trigger, unless somebody says otherwise: each has all its records read. */
export const largest = 20;

/** Free space where the server keeps its data. */
export async function freeDiskOf({ runtime }: Invocation, settings: Settings, session: Session): Promise<FreeDisk> {
  const [{ freeDisk }, { programRunner }] = await Promise.all([
    import('../../doctor/disk/free-disk.ts'),
    import('../../programs.ts'),
  ]);
  const disk = await freeDisk(session, settings.checks.freeSpaceCommand, programRunner(runtime.env, runtime.signal));
  // What a signal cut off is no answer.
  runtime.signal.throwIfAborted();
  return disk;
}

/** The triggers that the configuration has, by table. */
export function triggersOf({ partitions }: Settings): Triggers {
  return Object.fromEntries(
    partitions.flatMap(({ table, trigger }) => (trigger === null ? [] : [[table, trigger.rows]])),
  );
}

/** The report as a sheet. `fine`: the stream can show blocks. */
export function growthSheet(growth: Growth, disk: FreeDisk, fine: boolean): Sheet {
  const { tables, unrecorded } = growth;
  return {
    title: 'Growth',
    columns: [
      { title: 'table' },
      { title: 'records', right: true, rank: 3 },
      ...['size', 'a day', 'rows', 'a day'].map((title, at) => ({ title, right: true, rank: at < 2 ? 1 : 0 })),
      { title: 'rows so far', rank: 4 },
      { title: 'trigger' },
    ],
    rows: tables.map((table) => {
      const { records, bytes: sizes, rows, bytesLine, rowsLine } = table;
      return [
        shownName(table),
        String(records),
        bytes(sizes.at(-1)?.value ?? 0),
        slope(bytesLine, (value) => bytes(value)),
        String(rows.at(-1)?.value ?? 'unknown'),
        slope(rowsLine, (value) => String(Math.round(value))),
        sparkline(rows, fine),
        triggerText(table),
      ];
    }),
    notes: [
      ...diskNotes(growth, disk),
      ...unrecorded.map((name) => `${name} has a trigger and was never recorded: is the name right?`),
      ...(tables.every(({ bytesLine }) => bytesLine === null)
        ? ['Recorded once so far; from the second record on there is a line: pulse-migrate report sizes --record']
        : []),
    ],
  };
}

function diskNotes(growth: Growth, disk: FreeDisk): string[] {
  const { wholeLine } = growth;
  if (wholeLine === null) return [];
  const pace = `all tables together grow by ${slope(wholeLine, bytes)} a day`;
  if (disk.freeBytes === null) return [`When the disk will be full is not known: ${disk.why}; ${pace}.`];
  const full = diskFull(growth, disk.freeBytes);
  const when = full === null ? 'too few records' : crossingText(full);
  return [`Disk full: ${when}; ${bytes(disk.freeBytes)} are free, and ${pace}.`];
}

function slope(line: Line | null, shown: (value: number) => string): string {
  if (line === null) return 'too few records';
  const { perDay, perDayError } = line;
  const error = perDayError === null ? '' : ` ±${shown(perDayError)}`;
  return `${perDay < 0 ? '-' : '+'}${shown(Math.abs(perDay))}${error}`;
}

const day = (at: number) => new Date(at).toISOString().slice(0, 10);

function triggerText({ trigger }: TableGrowth): string {
  if (trigger === null) return '';
  const rows = `${trigger.rows} rows`;
  if (trigger.isReached) return `${rows}: reached`;
  if (trigger.crossing === null) return `${rows}: too few records`;
  return `${rows}: ${crossingText(trigger.crossing)}`;
}

function crossingText({ at, earliest, latest }: Crossing): string {
  if (at === null) return earliest === null ? 'not by this line' : `not by this line; ${day(earliest)} at the earliest`;
  if (earliest === latest) return day(at);
  return `${day(at)} (${earliest === null ? '' : day(earliest)} to ${latest === null ? 'never' : day(latest)})`;
}

const width = 16;

/** The last points as blocks, from the least to the largest. */
function sparkline(points: readonly Point[], fine: boolean): string {
  const blocks = fine ? '▁▂▃▄▅▆▇█' : '_.-=*#';
  const values = points.slice(-width).map(({ value }) => value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (values.length < 2) return '';
  return values
    .map((value) => blocks[most === least ? 0 : Math.round(((value - least) / (most - least)) * (blocks.length - 1))])
    .join('');
}
