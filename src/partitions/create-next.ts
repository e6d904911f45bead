import { PulseError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { PartitionedTableSetting } from '../periods.ts';
import { type BlockerWatch, blockerWatch, describeBlocker, type WatchDeps } from '../postgres/blockers.ts';
import { explainOwnStatement, StatementError } from '../postgres/errors.ts';
import { type LockPatience, lockTimeout, pauseAfter } from '../postgres/lock-schedule.ts';
import type { Session } from '../postgres/session.ts';
import { ident, sql } from '../postgres/sql.ts';
import { boundLiteral, type ClosedRange } from './bounds.ts';
import { type Calendar, calendarOf, type Instant, instantOf, isoOf, type Period } from './calendar.ts';
import {
  type OtherTable,
  oidsOf,
  type PartitionedTable,
  readPartitionedTables,
  type TableName,
  utcSettings,
} from './catalog.ts';
import { settingsByOid } from './configured-tables.ts';
import { leafName, numbered } from './leaf-name.ts';
import { calendarOfPartitions } from './list.ts';
import { missingRanges } from './missing-ranges.ts';
import { type PlannedStatement, statementLimitMs, statementsApart, statementsToAttach } from './new-partition.ts';

/** What making partitions needs from outside. */
export interface PartitionDeps extends WatchDeps {
  readonly session: Session;
  readonly emit: Emit;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** A number in [0, 1), different each time. */
  readonly chance: () => number;
  readonly signal: AbortSignal;
}

export interface CreateNextInput {
  /** As typed; none means every table that is configured or whose period its partitions show. */
  readonly tables: readonly string[];
  /** For all of them; null: as configured, else as the partitions that are there show. */
  readonly period: Period | null;
  /** So many whole periods behind the present one, for all of them; null: as configured, else by the period. */
  readonly lead: number | null;
  /** What the configuration says of single tables. */
  readonly configured: readonly PartitionedTableSetting[];
  readonly now: Date;
  readonly dryRun: boolean;
  readonly patience: LockPatience;
  /** A larger DEFAULT partition is not looked through under its lock, bytes. */
  readonly largestDefault: number;
}

/** One partition, with its bounds in ISO 8601, UTC. */
export interface MadePartition extends TableName {
  readonly from: string;
  readonly to: string;
}

/**
 * A partition that cannot be made: the DEFAULT partition holds so many rows for it, or, where it is none, is too large to
 * be looked through under its lock.
 */
export interface WaitingRows {
  readonly from: string;
  readonly to: string;
  readonly rows: number;
  /** The size of the DEFAULT partition. */
  readonly bytes: number;
  readonly partition: TableName;
}

export interface NextOfTable extends TableName {
  readonly period: Period;
  readonly lead: number;
  readonly created: readonly MadePartition[];
  readonly waiting: readonly WaitingRows[];
}

export interface CreateNextResult {
  readonly tables: readonly NextOfTable[];
  /** Partitioned tables that were passed over, and why. */
  readonly skipped: readonly OtherTable[];
  /** What would run, with `dryRun`. */
  readonly statements: readonly PlannedStatement[];
}

/** How far ahead partitions are made unless somebody says so, in periods. */
export const usualLead: Readonly<Record<Period, number>> = { day: 14, week: 6, month: 3, quarter: 2, year: 1 };

/**
 * Makes the partitions that are missing between now and the horizon, each in a transaction of its own that clients wait
 * for no longer than one lock timeout. Run again it finds nothing to do; several at once do no harm.
 * @throws {PulseError} `not-possible` for a table that was named or configured and cannot be served, `lock-not-obtained` with the
 * blockers' names when the budget is spent.
 */
export async function createNext(deps: PartitionDeps, input: CreateNextInput): Promise<CreateNextResult> {
  const { byOid: settings, waiting } = await settingsByOid(deps.session, input.configured);
  const found = await chosenTables(deps.session, input);
  const tables: NextOfTable[] = [];
  const skipped: OtherTable[] = [...(input.tables.length > 0 ? [] : waiting)];
  const statements: PlannedStatement[] = [];
  const blockers = blockerWatch(deps);
  try {
    for (const table of found) {
      const setting = 'why' in table ? undefined : settings.get(table.oid);
      const period = input.period ?? setting?.period ?? null;
      const calendar = 'why' in table ? null : period ? calendarOf(period) : calendarOfPartitions(table);
      if ('why' in table || calendar === null) {
        const other = 'why' in table ? table : { ...nameOf(table), why: noPeriod(table) };
        if (input.tables.length > 0 || setting !== undefined) throw refused(other);
        skipped.push(other);
        continue;
      }
      const lead = input.lead ?? setting?.lead ?? usualLead[calendar.period];
      tables.push(await extend(deps, blockers, table.oid, { ...input, calendar, lead }, statements));
    }
  } catch (error) {
    throw explainOwnStatement(error, 'making partitions');
  } finally {
    blockers.close();
  }
  return { tables, skipped, statements };
}

function nameOf({ schema, name }: TableName): TableName {
  return { schema, name };
}

async function chosenTables(
  session: Session,
  { tables }: CreateNextInput,
): Promise<ReadonlyArray<PartitionedTable | OtherTable>> {
  return readPartitionedTables(session, await oidsOf(session, tables));
}

function refused({ schema, name, why }: OtherTable): PulseError {
  return new PulseError('not-possible', `${schema}.${name} gets no partitions by time: ${why}`, {
    hint: 'name the period with --period month (day, week, month, quarter, year), or leave the table out',
  });
}

function noPeriod({ partitions }: PartitionedTable): string {
  return partitions.length === 0
    ? 'it has no partitions, so their period is not known'
    : 'the bounds of its partitions show no period';
}

/** As for a conversion: a statement that does not name the time plans and locks each of them. */
const mostPartitions = 400;

interface Extension extends CreateNextInput {
  readonly calendar: Calendar;
  readonly lead: number;
}

/** Makes what one table is missing; reads it anew before each try, since another run may be at work on it. */
async function extend(
  deps: PartitionDeps,
  blockers: BlockerWatch,
  oid: number,
  input: Extension,
  statements: PlannedStatement[],
): Promise<NextOfTable> {
  const created: MadePartition[] = [];
  const waiting: WaitingRows[] = [];
  const passed = new Set<Instant>();
  for (let attempt = 1; ; ) {
    deps.signal.throwIfAborted();
    const [table] = await readPartitionedTables(deps.session, [oid]);
    if (table === undefined || 'why' in table) throw new PulseError('not-possible', 'the table was dropped meanwhile');
    const horizon = { now: instantOf(input.now), lead: input.lead };
    const missing = missingRanges(input.calendar, coveredOf(table), horizon);
    if (missing.length > mostPartitions) {
      throw new PulseError(
        'not-possible',
        `${table.name} would get ${missing.length} partitions, and more than ${mostPartitions} make every statement slow; none was made`,
        { hint: 'choose a smaller --lead or a longer --period' },
      );
    }
    const range = missing.find(({ from }) => !passed.has(from));
    if (range === undefined) {
      return { ...nameOf(table), period: input.calendar.period, lead: input.lead, created, waiting };
    }
    const held = await rowsWaiting(deps.session, table, range, input.largestDefault);
    if (held !== null) {
      waiting.push(held);
      passed.add(range.from);
      continue;
    }
    const made = await freeName(deps.session, table, input.calendar, range.from);
    try {
      const limitMs = lockTimeout(attempt, input.patience);
      blockers.watch(deps.session.backendPid);
      await makePartition(deps.session, table, made, range, {
        limitMs,
        dryRun: input.dryRun,
        statements,
        now: horizon.now,
      });
      blockers.forget();
      created.push({ ...made, from: isoOf(range.from), to: isoOf(range.to) });
      if (input.dryRun) passed.add(range.from);
      attempt = 1;
    } catch (error) {
      const seen = blockers.seen().map(describeBlocker);
      if (!isWorthAnotherTry(error)) throw error;
      if (attempt > input.patience.retries) throw gaveUp(table, range, attempt, seen);
      const pauseMs = pauseAfter(attempt, input.patience, deps.chance());
      deps.emit({
        type: 'lock-waiting',
        version: `the next partition of ${table.name}`,
        attempt,
        attempts: input.patience.retries + 1,
        pauseMs,
        blockers: seen,
      });
      await deps.sleep(pauseMs);
      attempt += 1;
    }
  }
}

function coveredOf({ partitions }: PartitionedTable) {
  return partitions.map(({ range }) => range);
}

/** Null when the DEFAULT partition has no row for the range. Asked without a lock that anybody waits for. */
async function rowsWaiting(
  session: Session,
  { key, defaultPartition }: PartitionedTable,
  range: ClosedRange,
  largestDefault: number,
): Promise<WaitingRows | null> {
  if (defaultPartition === null || defaultPartition.bytes === 0) return null;
  const column = ident(key.column);
  const [from, to] = [boundLiteral(key.type, range.from), boundLiteral(key.type, range.to)];
  const [row] = await session.rows<{ rows: number }>(sql`${utcSettings};
SELECT pg_catalog.count(*)::pg_catalog.float8 AS rows FROM ONLY ${ident(defaultPartition.schema, defaultPartition.name)}
WHERE ${column} >= ${from} AND ${column} < ${to}`);
  const rows = row?.rows ?? 0;
  if (rows === 0 && defaultPartition.bytes <= largestDefault) return null;
  const { bytes } = defaultPartition;
  return { from: isoOf(range.from), to: isoOf(range.to), rows, bytes, partition: nameOf(defaultPartition) };
}

/** The name of a partition that is to be made: as its siblings are called, and free. */
export async function freeName(
  session: Session,
  table: PartitionedTable,
  calendar: Calendar,
  from: Instant,
): Promise<TableName> {
  const siblings = table.partitions
    .toReversed()
    .flatMap(({ name, range }) => (range.from === null ? [] : [{ name, from: range.from }]));
  const name = leafName(table.name, calendar, from, siblings);
  const names = [name, ...Array.from({ length: 9 }, (_, index) => numbered(name, index + 2))];
  const schema = table.partitions.at(-1)?.schema ?? table.schema;
  const [row] = await session.rows<{ name: string }>(sql`SELECT w.name
FROM pg_catalog.unnest(${names}) WITH ORDINALITY AS w(name, place)
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = ${schema} AND c.relname = w.name)
ORDER BY w.place LIMIT 1`);
  if (row !== undefined) return { schema, name: row.name };
  throw new PulseError(
    'not-possible',
    `the name ${name}, and nine like it, belong to something that is no partition of ${table.name}`,
    {
      hint: `rename what is called ${schema}.${name}`,
    },
  );
}

interface Making {
  readonly limitMs: number;
  readonly now: Instant;
  readonly dryRun: boolean;
  readonly statements: PlannedStatement[];
}

/** All of it in one transaction, so that a kill leaves nothing behind; locks on what clients use are taken at its end. */
async function makePartition(
  session: Session,
  table: PartitionedTable,
  made: TableName,
  range: ClosedRange,
  { limitMs, dryRun, statements, now }: Making,
): Promise<void> {
  const { locks, attach } = statementsToAttach(table, made, range, range.from <= now);
  try {
    await session.run(`BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${statementLimitMs};
SET LOCAL statement_timeout = ${statementLimitMs}; SET LOCAL lock_timeout = ${limitMs}; SET LOCAL search_path = '';
${utcSettings.text}`);
    const model = table.partitions.findLast(({ isTable }) => isTable) ?? table;
    const apart = await statementsApart(session, table, model, made);
    if (dryRun) statements.push(...apart, ...locks, attach);
    else {
      await session.run(joined(apart));
      await session.run(joined([...locks, attach]));
    }
    await session.run(dryRun ? 'ROLLBACK' : 'COMMIT');
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    throw error;
  }
}

function joined(statements: readonly PlannedStatement[]): string {
  return statements.map((statement) => statement.sql).join(';\n');
}

/** Somebody is in the way, or another run has been faster: whatever it is, the table is looked at again first. */
const transient = new Set(['55P03', '40P01', '40001', '42P07', '42710', '23505', '42P17', '23514']);

function isWorthAnotherTry(error: unknown): boolean {
  return error instanceof StatementError && transient.has(error.sqlstate);
}

function gaveUp(table: TableName, { from }: ClosedRange, tries: number, blockers: readonly string[]): PulseError {
  return new PulseError(
    'lock-not-obtained',
    `${table.name}: no lock for the partition from ${isoOf(from)} in ${tries} tries`,
    {
      hint: 'nothing of it was made; wait for the holder or end it, then run the command again; or try longer: --lock-retries 100',
      now: blockers.map((blocker) => `in the way: ${blocker}`),
    },
  );
}
