import type { Command } from 'commander';
import { periods } from '../../partitions/calendar.ts';
import type { Strategy } from '../../partitions/convert/strategy.ts';
import type { Size } from '../../partitions/plan/measure.ts';
import type { PlannedPartitions, TablePlan } from '../../partitions/plan/plan.ts';
import type { UsedStatement, UsedStatements } from '../../partitions/plan/used-statements.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { quoted } from '../confirm.ts';
import { examples } from '../examples.ts';
import { choiceFlag, openSession, openSettings, positiveInteger, textFlag, timeFlag } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { bytes, type Cell, count, duration, moment, table } from '../render/format.ts';
import type { Style } from '../style.ts';
import { day, strategyFlag } from './partition-flags.ts';

export function registerPlan(group: Command, addAction: AddAction): void {
  const plan = group
    .command('plan')
    .argument('[table...]', 'these tables; without any, all that are configured under partitions')
    .summary('what a conversion would do, and what stands against it')
    .description(
      'Shows of each table what it holds, whether its trigger is reached, what a conversion would make of it and of ' +
        'everything that hangs on it, each step with its locks, which statements of clients would break or look into ' +
        'every partition, and what only you can decide. Reads only.',
    )
    .option('--by <column>', 'the partition key; without it as configured, else the only date or time there is')
    .option('--period <period>', `${periods.join(', ')}; without it as configured, else month`)
    .option('--lead <n>', 'so many periods ahead of today; without it as configured, else 3')
    .option('--strategy <name>', 'copy: into new partitions; attach: the table becomes the first one (copy)')
    .option('--cutover <time>', 'with attach: where the first partition ends (the first period a week ahead)')
    .option('--from <day>', 'the first partition begins here; earlier rows go to the DEFAULT partition')
    .option('--to <day>', 'the last partition ends behind this day; later rows go to the DEFAULT partition');
  examples(plan, [
    ['pulse-migrate partition plan', 'all that are configured: whose time has come?'],
    ['pulse-migrate partition plan commits --by committed_at', 'one table'],
    ['pulse-migrate partition plan commits --by committed_at --json', 'the same as data'],
  ]);
  addAction(plan, planTables);
}

async function planTables(invocation: Invocation, tables: readonly string[]): Promise<Outcome> {
  const { flags, runtime } = invocation;
  const asked = {
    ...{ tables, by: textFlag(flags, 'by') ?? null, period: choiceFlag(flags, 'period', periods) ?? null },
    ...{ lead: positiveInteger(flags, 'lead') ?? null, now: runtime.now() },
    ...{ strategy: strategyFlag(flags), cutover: timeFlag(flags, 'cutover') },
    ...{ from: timeFlag(flags, 'from'), to: timeFlag(flags, 'to') },
  };
  const settings = await openSettings(invocation);
  const { session } = await openSession(invocation, settings);
  try {
    const { planPartitions } = await import('../../partitions/plan/plan.ts');
    const configured = settings.partitions;
    const plans = await planPartitions(session, { ...asked, configured, schema: settings.ledgerSchema });
    const text = plans.map((plan) => renderPlan(plan, reachFlags(invocation), invocation.style)).join('\n\n');
    return { result: { tables: plans }, text: invocation.global.quiet ? '' : `${text}\n` };
  } finally {
    await session.close();
  }
}

/** What was asked for the partitions, as `partition convert` takes it. */
function reachFlags({ flags }: Invocation): string {
  return ['lead', 'cutover', 'from', 'to']
    .map((name) => [name, textFlag(flags, name)] as const)
    .flatMap(([name, text]) => (text === undefined ? [] : [` --${name} ${quoted(text)}`]))
    .join('');
}

function renderPlan(plan: TablePlan, reach: string, style: Style): string {
  const { size, key } = plan;
  const head = style.strong(plan.table);
  if (size === null) return `${head}\n  it is partitioned already: pulse-migrate partition list ${quoted(plan.table)}`;
  const lines = [head, ...facts(plan, size, style)];
  if (key.column === null) return [...lines, ...open(plan, style)].join('\n');
  return [
    ...lines,
    ...against(plan, style),
    ...choice(plan, key.column, style),
    ...(plan.partitions === null ? [] : partitions(plan.partitions, style)),
    ...disk(plan, size),
    ...dependants(plan, style),
    ...statements(plan.statements, key.column, style),
    ...steps(plan, style),
    ...next(plan, reach, style),
  ].join('\n');
}

function facts({ trigger, key }: TablePlan, size: Size, style: Style): string[] {
  const { rows, rowsAsOf, tableBytes, indexBytes, databaseBytes } = size;
  const asOf = rowsAsOf === null ? 'no time of the statistics known' : `by statistics of ${moment(rowsAsOf)}`;
  const known = rows === null ? 'rows unknown: never analyzed (ANALYZE)' : `about ${count(rows, 'row')}, ${asOf}`;
  const sizes = `${bytes(tableBytes)} and ${bytes(indexBytes)} of indexes, in a database of ${bytes(databaseBytes)}`;
  const chosen = { asked: '--by', configured: 'as configured', 'only candidate': 'the only date or time', open: '' };
  return [
    `  ${known}`,
    `  ${sizes}`,
    ...(trigger === null ? [] : [`  ${triggered(trigger, style)}`]),
    ...(key.column === null ? [] : [`  by ${key.column} (${chosen[key.from]})`]),
  ];
}

function triggered({ rows, isReached }: NonNullable<TablePlan['trigger']>, style: Style): string {
  const trigger = `the trigger of ${count(rows, 'row')}`;
  if (isReached === null) return style.careful(`${trigger}: not known without statistics`);
  return isReached ? style.careful(`${trigger} is reached`) : `${trigger} is not reached`;
}

function open({ table: name, key: { candidates } }: TablePlan, style: Style): string[] {
  if (candidates.length === 0)
    return [style.bad('  it has no date and no time that is never NULL to be partitioned by')];
  return [
    style.careful(`  it could be partitioned by ${candidates.join(' or ')}, and this does not choose`),
    ...candidates.map((column) =>
      pointed(`pulse-migrate partition plan ${quoted(name)} --by ${quoted(column)}`, style),
    ),
  ];
}

function pointed(text: string, style: Style): string {
  return `    ${style.accent(style.symbols.pointer)} ${text}`;
}

function headed(head: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `  ${head}`, ...lines];
}

function against({ refusals }: TablePlan, style: Style): string[] {
  const lines = refusals.flatMap(({ message, hint }) => [
    style.bad(`  ${style.symbols.failed} ${message}`),
    pointed(hint, style),
  ]);
  return lines.length === 0 ? ['', '  Nothing stands against it.'] : headed('What stands against it', lines);
}

function choice({ uniqueKeys: keys, strategy }: TablePlan, column: string, style: Style): string[] {
  if (keys.length === 0) return ['', `  Every unique key contains ${column}: nothing to choose.`];
  const lines = keys.flatMap(({ name, definition, widened, bytes: size }) => [
    style.careful(`  ${name} ${definition} cannot stay unique across partitions`),
    `    --unique widen     ${widened}: the old columns alone may repeat at another time`,
    `    --unique per-leaf  the same, and the old key on each partition: it may repeat in another one; ${bytes(size)} more`,
    ...(strategy === 'attach'
      ? []
      : [
          `    --unique registry  the same, and the old key over all partitions, by triggers and a table of keys, which ON CONFLICT does not see; about ${bytes(size)} more`,
        ]),
  ]);
  return headed('What only you can choose: --unique', lines);
}

/** So many partitions are listed; of more, those at both ends. */
const mostListed = 16;

function partitions(
  { period, periodFrom, partitions: all, defaultPartition, ...extent }: PlannedPartitions,
  style: Style,
) {
  const half = mostListed / 2;
  const shown = all.length <= mostListed ? all : [...all.slice(0, half), ...all.slice(-half)];
  const about = (rows: number | null): Cell => ({
    text: rows === null ? '' : `~${rows}`,
    right: true,
    paint: style.faint,
  });
  const rows = shown.map(({ name, from, to, rows: some }): Cell[] => [
    ...[{ text: `  ${name}` }, { text: from === null ? '' : day(from) }, { text: day(to) }],
    about(some),
  ]);
  rows.push([{ text: `  ${defaultPartition.name}` }, { text: 'DEFAULT' }, { text: '' }, about(defaultPartition.rows)]);
  const lines = table(rows).split('\n');
  if (all.length > mostListed) lines.splice(half, 0, style.faint(`  … ${all.length - mostListed} more`));
  const how = { asked: '--period', configured: 'as configured', default: 'unless --period says otherwise' }[periodFrom];
  const span = extent.first === null ? 'the table is empty' : `rows from ${extent.first} to ${extent.last}`;
  const known =
    defaultPartition.rows === null
      ? '; rows in each are not known: the column was never analyzed, or may not be seen'
      : '';
  return headed(`${count(all.length, 'partition')}, one a ${period} (${how}); ${span}${known}`, lines);
}

function disk({ copyBytes, uniqueKeys, strategy }: TablePlan, size: Size): string[] {
  if (strategy === 'attach') {
    const room = copyBytes === 0 ? 'none' : `up to ${bytes(copyBytes)} for unique indexes, and as much in WAL`;
    return ['', `  Disk: ${room}; no row is copied. The database is ${bytes(size.databaseBytes)} now.`];
  }
  const more = uniqueKeys.reduce((sum, key) => sum + key.bytes, 0);
  const perLeaf = more === 0 ? '' : ` (with per-leaf or registry ${bytes(copyBytes + more)})`;
  return [
    '',
    `  Disk: up to ${bytes(copyBytes)}${perLeaf} for the copy, and as much in WAL; the database is ${bytes(size.databaseBytes)} now.`,
    '  Both tables stay until partition finish.',
  ];
}

function dependants(plan: TablePlan, style: Style): string[] {
  const rows = plan.dependants.map(({ what, fate, how }): Cell[] => [
    { text: `  ${what}` },
    { text: fate, paint: fate === 'refused' ? style.bad : (text) => text },
    { text: how, paint: style.faint },
  ]);
  return rows.length === 0 ? ['', '  Nothing hangs on it.'] : headed('What hangs on it', table(rows).split('\n'));
}

function statements(used: UsedStatements | null, column: string, style: Style): string[] {
  if (used === null) return [];
  const { notLooked, seen, conflicts, unpruned, unprunedCount } = used;
  const broken = conflicts.flatMap((one) => [
    (one.effect === 'fails' ? style.bad : style.careful)(`  ${one.effect}: ${one.why}`),
    sent(one, style),
  ]);
  const rest = unprunedCount - unpruned.length;
  return [
    ...headed('ON CONFLICT that does not do any more what it does', broken),
    ...headed(`Statements without a condition on ${column}: they look into every partition`, [
      ...unpruned.map((one) => sent(one, style)),
      ...(rest > 0 ? [style.faint(`    … and ${rest} more`)] : []),
    ]),
    '',
    notLooked === null
      ? `  ${count(seen, 'statement')} that name it were looked at in pg_stat_statements, by their text.`
      : style.careful(
          `  ${seen === 0 ? 'What clients send was not looked at' : `${count(seen, 'statement')} that name it were looked at, not all`}: ${notLooked}.`,
        ),
  ];
}

function sent({ query, calls, meanMs }: UsedStatement, style: Style): string {
  const used =
    calls === null || meanMs === null ? '' : style.faint(`  ${count(calls, 'call')}, ${duration(meanMs)} each`);
  return `    ${query}${used}`;
}

function steps(plan: TablePlan, style: Style): string[] {
  const lines = plan.steps.flatMap(({ phase, statement, lock, held }) => [
    `  ${phase}: ${statement}`,
    style.faint(`    lock: ${lock}; ${held}`),
  ]);
  return headed('Steps', lines);
}

const choices: Readonly<Record<Strategy, string>> = {
  copy: ' --unique widen|per-leaf|registry',
  attach: ' --unique widen|per-leaf',
};

function next({ table: name, key, strategy, ...plan }: TablePlan, reach: string, style: Style): string[] {
  const { refusals, uniqueKeys, partitions: planned } = plan;
  const unique = uniqueKeys.length === 0 ? '' : choices[strategy];
  const how = strategy === 'copy' ? '' : ` --strategy ${strategy}`;
  const what = `${quoted(name)} --by ${quoted(key.column ?? '')} --period ${planned?.period ?? 'month'}${unique}${how}${reach}`;
  const command = `pulse-migrate partition convert ${what}`;
  if (refusals.length > 0) return ['', `  Once nothing stands against it: ${command}`];
  return ['', `  ${style.accent(style.symbols.pointer)} ${command}`];
}
