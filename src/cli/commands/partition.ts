import type { Command } from 'commander';
import { periods } from '../../partitions/calendar.ts';
import type { CreateNextResult, WaitingRows } from '../../partitions/create-next.ts';
import type { ListedTable, ListResult } from '../../partitions/list.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { choiceFlag, openSession, openSettings, positiveInteger, runnerDeps, timeFlag } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { bytes, type Cell, count, table } from '../render/format.ts';
import type { Style } from '../style.ts';
import { registerArchive } from './partition-archive.ts';
import { registerConversion } from './partition-convert.ts';
import { registerDetach } from './partition-detach.ts';
import { registerDrain } from './partition-drain.ts';
import { day, longestLockMs, script } from './partition-flags.ts';
import { registerPlan } from './partition-plan.ts';
import { registerSplit } from './partition-split.ts';

export function registerPartition(program: Command, addAction: AddAction): void {
  const group = program
    .command('partition')
    .summary('partitions by time: plan, convert, split, make, drain, detach, archive')
    .description('Looks after tables that are partitioned by a date or a time.');
  examples(group, [
    ['pulse-migrate partition create-next', 'daily, from cron: the partitions of the next periods exist'],
    ['pulse-migrate partition list', 'what is there, its sizes and its holes'],
    [
      'pulse-migrate partition plan commits --by committed_at',
      'what a conversion would do, and what stands against it',
    ],
    ['pulse-migrate partition convert commits --by committed_at', 'a table in use becomes partitions'],
    [
      'pulse-migrate partition archive commits --before 2026-01-01 --to s3://archive/pulse',
      'what is old goes to storage',
    ],
  ]);

  const next = group
    .command('create-next')
    .argument(
      '[table...]',
      'only these tables; without any, all that are configured or whose partitions show their period',
    )
    .summary('make the partitions of the next periods')
    .description(
      'Makes the partitions that are missing from the present period to the end of the lead, with bounds in UTC and all ' +
        'properties of the partition before. Each is made apart and attached in a moment; run again it changes nothing. ' +
        'Exit 1 where rows in a DEFAULT partition are in the way.',
    )
    .option(
      '--lead <n>',
      'so many periods ahead; without it as configured, else 14 days, 6 weeks, 3 months, 2 quarters, 1 year',
    )
    .option('--period <period>', `${periods.join(', ')}; without it as configured, else as the partitions show`)
    .option('--now <time>', 'rehearse another day: an ISO 8601 time')
    .option('--dry-run', 'print the statements, and run none of them');
  examples(next, [
    ['pulse-migrate partition create-next', 'daily, from cron'],
    ['pulse-migrate partition create-next commits --lead 6', 'half a year ahead'],
    ['pulse-migrate partition create-next --dry-run', 'the very statements, with their locks'],
  ]);
  addAction(next, createNext);

  const list = group
    .command('list')
    .argument('[table...]', 'only these tables')
    .summary('partitions with bounds, sizes and holes')
    .description('Shows every table that is partitioned by a date or a time. Bounds are shown in UTC.');
  examples(list, [
    ['pulse-migrate partition list', 'all of them'],
    ['pulse-migrate partition list commits --json', 'one, as data'],
  ]);
  addAction(list, listTables);

  registerPlan(group, addAction);
  registerArchive(group, addAction);
  registerConversion(group, addAction);
  registerSplit(group, addAction);
  registerDetach(group, addAction);
  registerDrain(group, addAction);
}

async function createNext(invocation: Invocation, tables: readonly string[]): Promise<Outcome> {
  const { flags } = invocation;
  const asked = {
    tables,
    lead: positiveInteger(flags, 'lead') ?? null,
    period: choiceFlag(flags, 'period', periods) ?? null,
    now: timeFlag(flags, 'now') ?? invocation.runtime.now(),
    dryRun: flags['dryRun'] === true,
  };
  const settings = await openSettings(invocation);
  const opened = await openSession(invocation, settings);
  try {
    const { createNext: create } = await import('../../partitions/create-next.ts');
    const deps = await runnerDeps(invocation, opened);
    const timeoutMs = Math.min(settings.lock.timeoutMs, longestLockMs);
    const result = await create(deps, {
      ...asked,
      configured: settings.partitions,
      largestDefault,
      patience: { ...settings.lock, timeoutMs },
    });
    const text = invocation.global.quiet
      ? ''
      : asked.dryRun
        ? script(result.statements, '-- every partition is there')
        : renderNext(result, invocation.style);
    const held = result.tables.flatMap(({ name, waiting }) => waiting.map((rows) => ({ name, ...rows })));
    const [first] = held;
    if (first === undefined) return { result, text };
    return {
      result,
      text,
      no: {
        code: 'rows-in-default',
        message: `${first.name} has no partition for ${first.from} to ${first.to}: ${obstacle(first)}${held.length > 1 ? ` (and ${held.length - 1} more)` : ''}`,
        hint: `pulse-migrate partition drain ${first.name} moves them; then run the command again`,
      },
    };
  } finally {
    await opened.session.close();
  }
}

/** Measured: a DEFAULT partition of 2 million rows, some 600 MB, takes ATTACH 0.45 s under its lock. */
const largestDefault = 64 * 1024 * 1024;

/** Why a partition cannot be made. */
function obstacle({ rows, bytes: size, partition }: WaitingRows): string {
  return rows > 0
    ? `${partition.name} holds ${count(rows, 'row')} for it`
    : `${partition.name} holds none for it, but is ${bytes(size)} large, and ATTACH would look through all of it under a lock`;
}

function renderNext({ tables, skipped }: CreateNextResult, style: Style): string {
  const lines = tables.flatMap(({ name, period, lead, created, waiting }) => [
    ...created.map((made) => `${style.good(style.symbols.done)} ${made.name}  ${day(made.from)} to ${day(made.to)}`),
    ...waiting.map(
      (held) =>
        `${style.bad(style.symbols.failed)} ${name}: ${day(held.from)} to ${day(held.to)} is missing: ${obstacle(held)}`,
    ),
    ...(created.length + waiting.length === 0
      ? [`${style.faint(style.symbols.done)} ${name}: ${count(lead, period)} ahead are there`]
      : []),
  ]);
  const passed = skipped.map(({ name, why }) => style.faint(`  ${name} was passed over: ${why}`));
  if (tables.length === 0) lines.push('No table is partitioned by time.');
  return `${[...lines, ...passed].join('\n')}\n`;
}

async function listTables(invocation: Invocation, names: readonly string[]): Promise<Outcome> {
  const settings = await openSettings(invocation);
  const { session } = await openSession(invocation, settings);
  try {
    const [{ listPartitions }, { oidsOf }] = await Promise.all([
      import('../../partitions/list.ts'),
      import('../../partitions/catalog.ts'),
    ]);
    const result = await listPartitions(session, await oidsOf(session, names));
    return { result, text: invocation.global.quiet ? '' : renderList(result, invocation.style) };
  } finally {
    await session.close();
  }
}

function renderList({ tables, skipped }: ListResult, style: Style): string {
  if (tables.length + skipped.length === 0) return 'No table is partitioned.\n';
  const shown = tables.map((listed) => renderTable(listed, style));
  const passed = skipped.map(({ name, why }) => style.faint(`${name} is not shown: ${why}`));
  return `${[...shown, ...passed].join('\n\n')}\n`;
}

function renderTable({ name, key, period, partitions, defaultPartition, holes }: ListedTable, style: Style): string {
  const rows = partitions.map((partition): Cell[] => [
    { text: `  ${partition.name}` },
    { text: partition.from === null ? '…' : day(partition.from) },
    { text: partition.to === null ? '…' : day(partition.to) },
    { text: partition.rows === null ? '' : `~${partition.rows}`, right: true, paint: style.faint },
    { text: bytes(partition.bytes), right: true, paint: style.faint },
  ]);
  if (defaultPartition !== null) {
    const holds = defaultPartition.holds ? 'DEFAULT, holds rows' : 'DEFAULT, empty';
    rows.push([
      { text: `  ${defaultPartition.name}` },
      { text: holds, paint: defaultPartition.holds ? style.careful : style.faint },
      { text: '' },
      { text: '' },
      { text: bytes(defaultPartition.bytes), right: true, paint: style.faint },
    ]);
  }
  const gaps = holes.map(({ from, to }) => style.bad(`  no partition from ${day(from)} to ${day(to)}`));
  const head = `${style.strong(name)} by ${key}${period === null ? '' : `, a partition each ${period}`}`;
  return [head, ...(rows.length > 0 ? [table(rows).replace(/\n$/, '')] : []), ...gaps].join('\n');
}
