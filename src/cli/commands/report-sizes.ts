import type { Command } from 'commander';
import { PulseError } from '../../errors.ts';
import type { Session } from '../../postgres/session.ts';
import { shownName, typedName } from '../../reports/relation-names.ts';
import type { Sizes, TableSize } from '../../reports/sizes.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { choiceFlag, openSettings, positiveInteger, textFlag } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { bytes, count } from '../render/format.ts';
import { lazily } from '../render/lazily.ts';
import { prometheusSizes } from '../render/prometheus.ts';
import { type Sheet, sheetFormats } from '../render/sheet.ts';
import { timeoutFlag } from './report-flags.ts';
import { onReportSession } from './report-session.ts';
import { shownSheets } from './shown-sheets.ts';

export function registerReportSizes(group: Command, addAction: AddAction): void {
  const sizes = group
    .command('sizes')
    .argument('[table...]', 'only these tables, with their partitions')
    .summary('tables by size: rows, indexes, TOAST, dead rows')
    .description(
      'Shows every table with its indexes and TOAST, the largest first; a partitioned table is one line. Rows are the ' +
        "server's estimate with its age; --exact counts. Reads only, unless --record is given.",
    )
    .option('--schema <name>', 'only this schema')
    .option('--top <n>', 'only the largest n')
    .option('--partitions', 'each partition below its table')
    .option('--exact', 'count the rows of each table')
    .option('--timeout <duration>', 'the longest that one count may take (30s)')
    .option('--all', 'the tables of pulse-migrate too')
    .option('--record', 'keep sizes and rows, for report growth; daily, from cron')
    .option('--keep <days>', 'with --record: delete records that are older (400)')
    .option('--format <format>', `${[...sheetFormats, 'prometheus'].join(', ')}; table without it`);
  examples(sizes, [
    ['pulse-migrate report sizes', 'what is big'],
    ['pulse-migrate report sizes --record --quiet', 'daily, from cron'],
    ['pulse-migrate report sizes commits --partitions --exact', 'one table, counted'],
    ['pulse-migrate report sizes --format prometheus > sizes.prom', 'for the textfile collector of a scraper'],
  ]);
  addAction(sizes, reportSizes);
}

async function reportSizes(invocation: Invocation, tables: readonly string[]): Promise<Outcome> {
  const { flags, global } = invocation;
  const top = positiveInteger(flags, 'top') ?? null;
  const keepDays = positiveInteger(flags, 'keep') ?? 400;
  if (keepDays > longestKept) {
    throw new PulseError('usage', `--keep takes at most ${longestKept} days, a hundred years, not ${keepDays}`, {
      hint: 'for example: --keep 400',
    });
  }
  const format = choiceFlag(flags, 'format', [...sheetFormats, 'prometheus'] as const) ?? 'table';
  const asked = {
    ...{ tables, schema: textFlag(flags, 'schema') ?? null, withTool: flags['all'] === true },
    ...{ exact: flags['exact'] === true, timeoutMs: timeoutFlag(flags, 30_000) },
  };
  if (flags['record'] === true && (tables.length > 0 || asked.schema !== null)) {
    throw new PulseError('usage', '--record keeps all tables: a record of some would look as if the others were gone', {
      hint: 'leave the names and --schema out: pulse-migrate report sizes --record',
    });
  }
  const settings = await openSettings(invocation);
  const toolSchema = settings.ledgerSchema;
  const { sizes, before } = await onReportSession(invocation, settings, 'reading sizes', async ({ session }) => {
    const { readSizes } = await import('../../reports/sizes.ts');
    const read = await readSizes(session, { ...asked, toolSchema });
    const known = await lastRecord(session, toolSchema);
    if (flags['record'] === true) {
      const { recordSizes } = await import('../../reports/size-records.ts');
      await recordSizes(session, toolSchema, read, keepDays * 86_400_000);
    }
    return { sizes: read, before: known };
  });
  const result = { ...sizes, tables: top === null ? sizes.tables : sizes.tables.slice(0, top), since: before.at };
  if (global.quiet) return { result, text: '' };
  if (format === 'prometheus') return { result, text: prometheusSizes(result) };
  const sheet = sizesSheet(result, before, {
    partitions: flags['partitions'] === true,
    whole: sizes.tables.length,
  });
  return { result, text: shownSheets(invocation, format, [sheet]) };
}

/** Days. Times much further back are none that the server knows. */
const longestKept = 36_500;

/** What the tables were when they were recorded last, by schema and name. */
export interface Before {
  /** ISO 8601; null where nothing was recorded. */
  readonly at: string | null;
  readonly bytes: ReadonlyMap<string, number>;
  /** There are records, and this role may not read them. */
  readonly isHidden: boolean;
}

const keyOf = ({ schema, name }: { readonly schema: string; readonly name: string }) => `${schema}\n${name}`;

export async function lastRecord(session: Session, toolSchema: string): Promise<Before> {
  const { readLastRecords } = await import('../../reports/size-records.ts');
  const { records, isHidden } = await readLastRecords(session, toolSchema);
  const [first] = records;
  return {
    at: first === undefined ? null : new Date(first.at).toISOString(),
    bytes: new Map(records.map((record) => [keyOf(record), record.bytes])),
    isHidden,
  };
}

/** Each with how gladly one does without it on a narrow terminal. */
const sizeColumns = [
  ...([
    ['total', 0],
    ['rows', 0],
    ['rows of', 1],
    ['table', 4],
    ['indexes', 2],
    ['TOAST', 6],
  ] as const),
  ...([
    ['dead rows', 5],
    ['share', 3],
  ] as const),
] as const;

/** The report as a sheet. */
export function sizesSheet(
  sizes: Sizes,
  before: Before,
  { partitions, whole }: { readonly partitions: boolean; readonly whole: number },
): Sheet {
  const lines = sizes.tables.flatMap((table) => [
    { table, indent: '' },
    ...(partitions ? table.partitions.map((partition) => ({ table: partition, indent: '  ' })) : []),
  ]);
  const largest = lines.reduce((most, { table }) => Math.max(most, table.totalBytes), 1);
  const grown = before.at !== null;
  return {
    title: `${sizes.database}: ${bytes(sizes.databaseBytes)}, ${count(sizes.tables.length, 'table')}${whole > sizes.tables.length ? ` of ${whole}` : ''}`,
    columns: [
      { title: 'table' },
      ...sizeColumns.map(([title, rank]) => ({ title, right: title !== 'rows of', rank })),
      ...(grown ? [{ title: `since ${before.at?.slice(0, 10)}`, right: true }] : []),
    ],
    rows: lazily(lines, ({ table, indent }) => [...cells(table, indent), ...(grown ? [change(table, before)] : [])]),
    bars: lines.map(({ table }) => table.totalBytes / largest),
    notes: notesOf(sizes, before),
  };
}

function cells(table: TableSize, indent: string): string[] {
  const parts = table.kind === 'partitioned table' ? ` (${count(table.partitions.length, 'partition')})` : '';
  return [
    `${indent}${shownName(table)}${parts}`,
    bytes(table.totalBytes),
    table.rows === null ? 'unknown' : `${table.isExact ? '' : '~'}${table.rows}`,
    table.isExact ? 'counted' : (table.analyzedAt?.slice(0, 10) ?? (table.rows === 0 ? '' : 'never analyzed')),
    bytes(table.tableBytes),
    bytes(table.indexBytes),
    bytes(table.toastBytes),
    String(table.deadRows),
    indent === '' ? `${(table.share * 100).toFixed(1)} %` : '',
  ];
}

function change(table: TableSize, { bytes: known }: Before): string {
  const was = known.get(keyOf(table));
  if (was === undefined) return table.kind === 'partition' ? '' : 'new';
  const difference = table.totalBytes - was;
  return difference === 0 ? '=' : `${difference < 0 ? '-' : '+'}${bytes(Math.abs(difference))}`;
}

function notesOf({ tables, uncounted, vanished }: Sizes, { isHidden }: Before): string[] {
  const unknown = tables.filter(({ rows }) => rows === null);
  const [first] = unknown;
  return [
    ...(tables.length === 0 ? ['There is no table.'] : []),
    ...uncounted.map(({ why, ...name }) => `${shownName(name)} was not counted: ${why}`),
    ...(first === undefined
      ? []
      : [`${count(unknown.length, 'table')} never analyzed, so the rows are not known: ANALYZE ${typedName(first)}`]),
    ...(isHidden ? ['Sizes were recorded, and this role may not read them: what has grown since is not shown.'] : []),
    ...(vanished === 0 ? [] : [`${count(vanished, 'table')} dropped while this was read.`]),
  ];
}
