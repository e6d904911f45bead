import type { Command } from 'commander';
import type { BareForeignKey, IndexesReport, IndexReport } from '../../reports/indexes.ts';
import { shownName, typedName } from '../../reports/relation-names.ts';
import { visible } from '../../visible.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { choiceFlag, openSettings } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { bytes, count } from '../render/format.ts';
import { type Sheet, sheetFormats } from '../render/sheet.ts';
import { onReportSession } from './report-session.ts';
import { shownSheets } from './shown-sheets.ts';

export function registerReportIndexes(group: Command, addAction: AddAction): void {
  const indexes = group
    .command('indexes')
    .argument('[table...]', 'only those of these tables')
    .summary('indexes that are unused, superfluous, invalid or missing')
    .description(
      'Shows indexes that nothing has read since the statistics were reset, that another one makes superfluous, that are ' +
        'invalid or bloated, and foreign keys that no index helps. It suggests, and drops nothing.',
    )
    .option('--format <format>', `${sheetFormats.join(', ')}; table without it`);
  examples(indexes, [
    ['pulse-migrate report indexes', 'all of the database'],
    ['pulse-migrate report indexes commits --json', 'those of one table, as data'],
  ]);
  addAction(indexes, reportIndexes);
}

async function reportIndexes(invocation: Invocation, tables: readonly string[]): Promise<Outcome> {
  const { flags } = invocation;
  const format = choiceFlag(flags, 'format', sheetFormats) ?? 'table';
  const settings = await openSettings(invocation);
  const { readIndexes } = await import('../../reports/indexes.ts');
  const report = await onReportSession(invocation, settings, 'reading indexes', ({ session }) =>
    readIndexes(session, { tables, toolSchema: settings.ledgerSchema }),
  );
  const sheets = indexesSheet(report);
  return { result: report, text: shownSheets(invocation, format, format === 'csv' ? [asOne(sheets)] : sheets) };
}

/** The report, a sheet for each kind of finding. */
export function indexesSheet(report: IndexesReport): readonly Sheet[] {
  const { indexes, unused, redundant, invalid, bareForeignKeys, bloat } = report;
  const whole = indexes.reduce((sum, index) => sum + index.bytes, 0);
  const name = { title: 'index' };
  const size = { title: 'size', right: true };
  const suggestion = { title: 'in a migration' };
  const sheets: Sheet[] = [
    {
      title: `Superfluous indexes: ${redundant.length}`,
      columns: [name, size, { title: 'because of' }, suggestion],
      rows: redundant.map(({ index, by, why }) => [
        shownName(index),
        bytes(index.bytes),
        `${shownName(by)}, ${why === 'the same' ? 'which is the same' : 'of which it is a prefix'}`,
        dropOf(index),
      ]),
      notes: [],
    },
    {
      title: `Unused indexes: ${unused.length}`,
      columns: [name, { title: 'table', rank: 1 }, size, suggestion],
      rows: unused.map((index) => [shownName(index), visible(index.table), bytes(index.bytes), dropOf(index)]),
      notes: unused.length === 0 ? [] : [sinceWhen(report)],
    },
    {
      title: `Invalid indexes: ${invalid.length}`,
      columns: [name, size, suggestion],
      rows: invalid.map((index) => [
        shownName(index),
        bytes(index.bytes),
        index.isPartitioned
          ? `ALTER INDEX ${typedName(index)} ATTACH PARTITION …`
          : `REINDEX INDEX CONCURRENTLY ${typedName(index)}`,
      ]),
      notes: [],
    },
    {
      title: `Bloated indexes: ${bloat.bloated.length}`,
      columns: [name, { title: 'table', rank: 1 }, size, { title: 'bloat', right: true }, { title: 'to be typed' }],
      rows: bloat.bloated.map((index) => [
        shownName(index),
        visible(index.table),
        bytes(index.bytes),
        `~${bytes(index.bloatBytes)}`,
        `REINDEX INDEX CONCURRENTLY ${typedName(index)}`,
      ]),
      notes: [
        'Bloat is reckoned from statistics of the columns: at least so much, and not in the midst of a change.',
        ...(bloat.unknown === 0
          ? []
          : [`Not reckoned: ${indexCount(bloat.unknown)} of columns that were never analyzed or are hidden.`]),
      ],
    },
    {
      title: `Foreign keys without an index: ${bareForeignKeys.length}`,
      columns: [{ title: 'foreign key' }, { title: 'table' }, size, { title: 'refers to' }, suggestion],
      rows: bareForeignKeys.map((key) => [
        visible(key.constraint),
        shownName(key),
        bytes(key.bytes),
        visible(key.references),
        createFor(key),
      ]),
      notes:
        bareForeignKeys.length === 0
          ? []
          : ['To delete a row that they refer to, or change its key, looks through the whole table.'],
    },
  ];
  const shown = sheets.filter(({ rows }) => !isEmpty(rows));
  const head = `${indexCount(indexes.length)}, ${bytes(whole)}`;
  return shown.length > 0
    ? shown
    : [{ title: `${head}: nothing to find fault with`, columns: [], rows: [], notes: [] }];
}

function isEmpty(rows: Iterable<unknown>): boolean {
  for (const _row of rows) return false;
  return true;
}

/** All findings as one table, which is all that a CSV file can hold. */
function asOne(sheets: readonly Sheet[]): Sheet {
  const titles = [...new Set(sheets.flatMap(({ columns }) => columns.map(({ title }) => title)))];
  return {
    title: '',
    columns: ['finding', ...titles].map((title) => ({ title })),
    rows: sheets.flatMap(({ title, columns, rows }) =>
      [...rows].map((row) => [
        title.replace(/: \d+$/, ''),
        ...titles.map((wanted) => row[columns.findIndex((column) => column.title === wanted)] ?? ''),
      ]),
    ),
    notes: sheets.flatMap(({ notes }) => notes),
  };
}

const indexCount = (number: number) => (number === 1 ? '1 index' : `${number} indexes`);

function sinceWhen({ statisticsSince, statisticsDays, standbys }: IndexesReport): string {
  const since =
    statisticsSince === null
      ? 'Scans are counted since the database was made or its server crashed'
      : `Scans are counted since ${statisticsSince.slice(0, 10)} (${statisticsDays} days)`;
  const elsewhere =
    standbys === 0 ? 'on this server alone' : `on this server alone, and ${count(standbys, 'standby')} may use them`;
  return `${since}, ${elsewhere}: what is needed once a quarter was not needed since.`;
}

const dropOf = (index: IndexReport) => `DROP INDEX ${index.isPartitioned ? '' : 'CONCURRENTLY '}${typedName(index)}`;

/** On a partitioned table ON ONLY, and then one by one on the partitions, so that nobody waits. */
function createFor(key: BareForeignKey): string {
  const columns = key.columns.map(visible).join(', ');
  return `CREATE INDEX ${key.isPartitioned ? 'ON ONLY' : 'CONCURRENTLY ON'} ${typedName(key)} (${columns})`;
}
