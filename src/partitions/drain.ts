import { PulseError } from '../errors.ts';
import { type BlockerWatch, blockerWatch } from '../postgres/blockers.ts';
import { explainOwnStatement, StatementError, serverReport } from '../postgres/errors.ts';
import type { LockPatience } from '../postgres/lock-schedule.ts';
import type { Session } from '../postgres/session.ts';
import { raw, sql } from '../postgres/sql.ts';
import type { ClosedRange } from './bounds.ts';
import { type Calendar, calendarOf, isoOf, type Period } from './calendar.ts';
import { oidsOf, type PartitionedTable, readPartitionedTables, type TableName, utcSettings } from './catalog.ts';
import { freeName, type PartitionDeps } from './create-next.ts';
import { type DefaultFacts, readDefaultFacts, readWaitingDays, type WaitingDays } from './drain-catalog.ts';
import { figuresSetting, type Move, statementsToMove } from './drain-statements.ts';
import { calendarOfPartitions } from './list.ts';
import { wantsLock, withLockTries } from './lock-tries.ts';
import { type PlannedStatement, statementLimitMs, statementsApart } from './new-partition.ts';
import { waitingRanges } from './waiting-ranges.ts';

export interface DrainInput {
  /** As typed, quoted as in SQL. */
  readonly table: string;
  /** Null: as the partitions that are there show. */
  readonly period: Period | null;
  /** More partitions than this are not made: rows at odd times would make thousands. */
  readonly mostPartitions: number;
  /** A range with more rows is not moved: clients would wait too long for what happens under the lock. */
  readonly mostRows: number;
  readonly dryRun: boolean;
  readonly patience: LockPatience;
}

/** A partition that was made of rows of the DEFAULT partition; bounds in ISO 8601, UTC. */
export interface Drained extends TableName {
  readonly from: string;
  readonly to: string;
  /** How many rows it has got. */
  readonly rows: number;
  /** Of these, how many were written while the others were copied. */
  readonly late: number;
  readonly tries: number;
  /** How long clients could not use the table, milliseconds. */
  readonly lockedMs: number;
}

export interface DrainResult extends TableName {
  readonly drained: readonly Drained[];
  /** Rows that no partition is for: without a time, or at infinity. They stay. */
  readonly timeless: number;
  /** What would run, with `dryRun`. */
  readonly statements: readonly PlannedStatement[];
}

/** What `drain` needs from outside. */
export interface DrainDeps extends PartitionDeps {
  readonly now: () => Date;
}

/**
 * Moves the rows of a DEFAULT partition into partitions of their own ranges, which it makes: each range in a transaction
 * of its own, so that a kill leaves nothing half done, and with what clients wait for at its end. Run again it finds
 * nothing to do; of two at once one waits.
 * @throws {PulseError} `not-possible` for what cannot be moved safely, with the reason; `lock-not-obtained`.
 */
export async function drain(deps: DrainDeps, input: DrainInput): Promise<DrainResult> {
  const blockers = blockerWatch(deps);
  try {
    return await drainAll(deps, blockers, input);
  } catch (error) {
    throw explainOwnStatement(error, 'draining');
  } finally {
    blockers.close();
  }
}

async function drainAll(deps: DrainDeps, blockers: BlockerWatch, input: DrainInput): Promise<DrainResult> {
  const oid = (await oidsOf(deps.session, [input.table]))?.[0] ?? 0;
  const drained: Drained[] = [];
  const statements: PlannedStatement[] = [];
  let todo = await look(deps, oid, input);
  const result = () => ({
    schema: todo.table.schema,
    name: todo.table.name,
    drained,
    timeless: todo.timeless,
    statements,
  });
  for (;;) {
    deps.signal.throwIfAborted();
    const { table, from, facts, calendar, ranges } = todo;
    const range = ranges[drained.length * (input.dryRun ? 1 : 0)];
    if (range === undefined || from === null || facts === null) return result();
    const made = await freeName(deps.session, table, calendar, range.from);
    const apart = await readApart(deps.session, table, made);
    const move = { table, from, made, range, facts, apart };
    const bounds = { ...made, from: isoOf(range.from), to: isoOf(range.to) };
    if (input.dryRun) {
      const { before, locks, locked } = statementsToMove(move);
      statements.push(...before, ...locks, ...locked);
      drained.push({ ...bounds, rows: 0, late: 0, tries: 0, lockedMs: 0 });
      continue;
    }
    const figures = await moveRange(deps, blockers, move, input.patience);
    if (figures !== null) drained.push({ ...bounds, ...figures });
    todo = await look(deps, oid, input);
  }
}

/** With names in full, as every statement of ours needs them. */
async function readApart(
  session: Session,
  table: PartitionedTable,
  made: TableName,
): Promise<readonly PlannedStatement[]> {
  const model = table.partitions.findLast(({ isTable }) => isTable) ?? table;
  await session.run("BEGIN READ ONLY; SET LOCAL search_path = ''");
  try {
    return await statementsApart(session, table, model, made);
  } finally {
    await session.run('ROLLBACK').catch(() => {});
  }
}

interface Todo {
  readonly table: PartitionedTable;
  readonly from: TableName | null;
  readonly facts: DefaultFacts | null;
  readonly calendar: Calendar;
  readonly ranges: readonly ClosedRange[];
  readonly timeless: number;
}

/** What waits in the DEFAULT partition now, since writers go on and another run may be at work. */
async function look({ session }: PartitionDeps, oid: number, input: DrainInput): Promise<Todo> {
  const [table] = await readPartitionedTables(session, [oid]);
  if (table === undefined || 'why' in table) {
    throw new PulseError(
      'not-possible',
      `${input.table} cannot be drained: ${table?.why ?? 'it was dropped meanwhile'}`,
      {
        hint: 'only a DEFAULT partition of a table that is partitioned by one date or time can be',
      },
    );
  }
  const calendar = input.period ? calendarOf(input.period) : calendarOfPartitions(table);
  if (calendar === null) {
    throw new PulseError('not-possible', `the bounds of the partitions of ${table.name} show no period`, {
      hint: 'name the period with --period month (day, week, month, quarter, year)',
    });
  }
  const from = table.defaultPartition;
  const nothing = { table, from, facts: null, calendar, ranges: [], timeless: 0 };
  if (from === null || from.bytes === 0) return nothing;
  const facts = await readDefaultFacts(session, table, from);
  if (facts === null) return nothing;
  const { days, timeless } = await readWaitingDays(session, table, from);
  const covered = table.partitions.map(({ range }) => range);
  const ranges = waitingRanges(
    calendar,
    covered,
    days.map(({ day }) => day),
  );
  if (ranges.length > 0) assertMovable(table, from, facts);
  if (ranges.length > input.mostPartitions) {
    throw new PulseError(
      'not-possible',
      `the rows in ${from.name} would need ${ranges.length} partitions, of a ${calendar.period} each; more than ${input.mostPartitions} are not made`,
      { hint: `look at the times of these rows; or allow it: --max-partitions ${ranges.length}` },
    );
  }
  assertShort(from, ranges, days, input.mostRows);
  return { table, from, facts, calendar, ranges, timeless };
}

function assertShort(
  from: TableName,
  ranges: readonly ClosedRange[],
  days: WaitingDays['days'],
  mostRows: number,
): void {
  for (const range of ranges) {
    const within = days.filter(({ day }) => day >= range.from && day < range.to);
    const rows = within.reduce((total, one) => total + one.rows, 0);
    if (rows <= mostRows) continue;
    const seconds = (rows * lockedMsOfRow) / 1000;
    throw new PulseError(
      'not-possible',
      `${from.name} holds ${rows} rows for ${isoOf(range.from)} to ${isoOf(range.to)}: clients would wait some ${seconds.toFixed(1)} s for them to leave it`,
      {
        hint: `at a quiet time, where that may be: --max-rows ${rows + mostRows}; more than ${statementLimitMs} ms are never taken`,
      },
    );
  }
}

/** Measured with three indexes on a busy machine of two cores: 200,000 rows in 1.9 s, nearly all of it their DELETE. */
const lockedMsOfRow = 0.0095;

/** Refuses where a move would be seen as more than a move. */
function assertMovable(table: PartitionedTable, from: TableName, facts: DefaultFacts): void {
  const why =
    facts.kind !== 'r'
      ? ['it is not an ordinary table', 'move its rows by hand']
      : facts.rules
        ? ['it has rules, which would rewrite what moves them', 'drop the rules for the time of the command']
        : facts.inbound.length > 0
          ? [
              `foreign keys point at ${table.name} (${facts.inbound.join(', ')}), and would take the move for a DELETE`,
              'drop them for the time of the command, and add them again NOT VALID, then VALIDATE',
            ]
          : facts.publications.length > 0
            ? [
                `it is published (${facts.publications.join(', ')}), and a subscriber would see the rows deleted`,
                `take ${table.name} out of the publication for the time of the command, and refresh the subscription after it`,
              ]
            : null;
  if (why === null) return;
  throw new PulseError('not-possible', `the rows of ${from.name} cannot be moved safely: ${why[0]}`, {
    hint: `${why[1]}, then run the command again`,
  });
}

/** Another run made a partition, or took the name: the table is looked at again. */
const overtaken = new Set(['42P07', '42P17', '42710', '42P01']);

/** Null where another run has been faster. */
async function moveRange(
  deps: DrainDeps,
  blockers: BlockerWatch,
  move: Move,
  patience: LockPatience,
): Promise<Omit<Drained, keyof TableName | 'from' | 'to'> | null> {
  const { session } = deps;
  const { before, locks, locked } = statementsToMove(move);
  const tries = {
    what: `the rows of ${move.from.name} from ${isoOf(move.range.from)}`,
    patience,
    hint: 'nothing of them was moved; wait for the holder or end it, then run the command again; or try longer: --lock-retries 100',
  };
  const [first, ...rest] = before.map((statement) => statement.sql);
  try {
    await withLockTries(deps, blockers, tries, async (limitMs) => {
      try {
        await session.run(`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ${utcSettings.text};
SET LOCAL idle_in_transaction_session_timeout = 60000; SET LOCAL statement_timeout = 0; SET LOCAL search_path = '';
SET LOCAL row_security = off; SET LOCAL lock_timeout = ${limitMs}; ${first}`);
      } catch (error) {
        if (wantsLock(error)) await session.run('ROLLBACK');
        throw error;
      }
    });
    await session.run(rest.join(';\n'));
    await session.run('SAVEPOINT copied');
    // A try that fails leaves the copy where it is.
    const { result: figures, tries: count } = await withLockTries(deps, blockers, tries, async (limitMs) => {
      try {
        await session.run(`SET LOCAL lock_timeout = ${limitMs}; SET LOCAL statement_timeout = ${statementLimitMs};
${locks.map((lock) => lock.sql).join(';\n')}`);
        blockers.forget();
        const began = deps.now().getTime();
        const [row] = await session.rows<{ figures: string }>(sql`${raw(locked.map((one) => one.sql).join(';\n'))};
SELECT pg_catalog.current_setting(${figuresSetting}) AS figures`);
        await session.run('COMMIT');
        return { figures: row?.figures ?? '', lockedMs: deps.now().getTime() - began };
      } catch (error) {
        if (wantsLock(error)) await session.run('ROLLBACK TO SAVEPOINT copied');
        throw error;
      }
    });
    const [rows = 0, , late = 0] = figures.figures.split(' ').map(Number);
    return { rows, late, tries: count, lockedMs: figures.lockedMs };
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    if (error instanceof StatementError && overtaken.has(error.sqlstate)) return null;
    throw refusalOf(error, move);
  }
}

/** What rows themselves, or their number, keep from being moved. */
function refusalOf(error: unknown, { from, range }: Move): unknown {
  if (!(error instanceof StatementError)) return error;
  const what = `the rows of ${from.name} from ${isoOf(range.from)} to ${isoOf(range.to)} were not moved`;
  if (error.sqlstate === '57014') {
    return new PulseError('not-possible', `${what}: clients would have waited for more than ${statementLimitMs} ms`, {
      hint: 'run the command again at a quieter time; delete rows that are not needed from the DEFAULT partition first',
      server: serverReport(error),
    });
  }
  if (!error.sqlstate.startsWith('23')) return error;
  return new PulseError('not-possible', `${what}: ${error.message}`, {
    hint: 'correct these rows, since a partition of their own would refuse them; then run the command again',
    server: serverReport(error),
  });
}
