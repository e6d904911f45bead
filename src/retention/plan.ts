import { PulseError } from '../errors.ts';
import type { TableName } from '../partitions/catalog.ts';
import { explainOwnStatement, ownRows } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { ident, type Sql, sql } from '../postgres/sql.ts';
import type { ArchivePlace, RetentionAction } from '../retention-rule.ts';
import { isoOfUtc, literalOf } from './cutoff.ts';
import { type ExaminedRule, examineRules, type FitRule, type RetentionInput } from './examine.ts';
import { byPartition, effect, type Obstacle } from './judge-rule.ts';
import { type OldPartition, type OldPartitions, oldPartitions } from './old-partitions.ts';
import {
  deleteByPages,
  deleteByTime,
  guessOlderRows,
  keepNewest,
  lateRows,
  olderRows,
  type PeriodRow,
  periodsToDo,
  putTogether,
  timelessRows,
} from './statements.ts';
import { shownName, tableOf } from './target.ts';

/** What a rule would do now. Times in ISO 8601, UTC. */
export interface PlannedRule {
  readonly table: string;
  readonly action: RetentionAction;
  readonly time: string;
  readonly after: string;
  /** Only rows before it go; null for a rule that cannot be carried out, of which the rest is not known either. */
  readonly cutoff: string | null;
  /** So many rows would go, and from when to when they are; null where they were not counted. */
  readonly rows: number | null;
  /** Whether `rows` is a guess of the server's planner. */
  readonly isEstimate: boolean;
  readonly first: string | null;
  readonly last: string | null;
  /** Rows that take their place, of `downsample`. */
  readonly made: number;
  readonly transactions: number;
  readonly periods: number;
  readonly partitions: readonly OldPartition[];
  /** Where they go, of `archive`. */
  readonly archive: ArchivePlace | null;
  /** What foreign keys do along with it, in words. */
  readonly effects: readonly string[];
  readonly warnings: readonly string[];
  /** Why it cannot be carried out; empty where it can. */
  readonly obstacles: readonly Obstacle[];
  /** The statement of the first transaction. */
  readonly statement: string | null;
}

export interface RetentionPlan {
  readonly rules: readonly PlannedRule[];
}

/** More rows than that are not counted but guessed: to count them reads as much as to delete them. */
const countedRows = 5_000_000;

/**
 * What each rule would do, and why one cannot. Reads only. The present that is looked from may lie ahead for a plan, and
 * may not for what says what a run would do.
 * @throws {PulseError} `usage` for a table without a rule and for such a present; `permission-denied` and others where the server refuses to look.
 */
export async function planRetention(
  session: Session,
  input: RetentionInput,
  mayLieAhead: boolean,
): Promise<RetentionPlan> {
  const rules: PlannedRule[] = [];
  for (const examined of await examineRules(session, input, mayLieAhead)) rules.push(await planned(session, examined));
  return { rules };
}

function unknownOf({ rule, obstacles, warnings }: ExaminedRule): PlannedRule {
  const { table, action, time, after } = rule;
  return {
    ...{ table, action, time, after, obstacles, warnings },
    ...{ cutoff: null, rows: null, isEstimate: false, first: null, last: null, made: 0, transactions: 0, periods: 0 },
    ...{ partitions: [], archive: rule.archive, effects: [], statement: null },
  };
}

async function planned(session: Session, examined: ExaminedRule): Promise<PlannedRule> {
  const unknown = unknownOf(examined);
  if (examined.fit === null) return unknown;
  const { fit } = examined;
  const effects =
    byPartition(fit.rule.action) || fit.rule.action === 'delete-archives'
      ? []
      : [...new Set(fit.target.references.map(effect))];
  const plan = { ...unknown, table: shownName(fit.target), cutoff: isoOfUtc(fit.cutoff), effects };
  const refused = await refusal(session, fit);
  if (refused !== null) return { ...plan, obstacles: [refused] };
  switch (fit.rule.action) {
    case 'delete':
      return planDelete(session, fit, plan);
    case 'drop-partition':
    case 'archive':
      return planDrop(session, fit, plan);
    case 'delete-archives':
      // What there is of them the manifest knows, which is another room's.
      return plan;
    default:
      return planPeriods(session, fit, plan);
  }
}

/** What a rule sends first, to be shown and to be tried without being executed; null for partitions, which are dropped. */
function firstStatement(fit: FitRule): Sql | null {
  const { rule, type, cutoff, target } = fit;
  const period = { from: cutoff, to: cutoff };
  switch (rule.action) {
    case 'downsample':
      return putTogether(fit, period);
    case 'keep-one-a-day':
      return keepNewest(fit, period);
    case 'delete': {
      const [leaf] = target.leaves;
      const batch = { time: rule.time, type, cutoff, rows: rule.batch };
      if (leaf === undefined) return null;
      return leaf.hasTimeIndex ? deleteByTime(leaf, batch, null) : deleteByPages(leaf, batch, { from: 0, to: 1 });
    }
    default:
      return null;
  }
}

/** EXPLAIN parses, plans and looks at rights, and executes nothing: what the server would refuse is known before. */
export async function refusal(session: Session, fit: FitRule): Promise<Obstacle | null> {
  const statement = firstStatement(fit);
  if (statement === null) return null;
  try {
    await session.rows(sql`EXPLAIN ${statement}`);
    return null;
  } catch (error) {
    const explained = explainOwnStatement(error, 'the server refuses it');
    if (!(explained instanceof PulseError) || explained.code === 'connection-lost') throw explained;
    return { why: explained.message, cure: explained.server?.hint ?? 'correct the rule, or the rights of the role' };
  }
}

async function planDelete(session: Session, fit: FitRule, plan: PlannedRule): Promise<PlannedRule> {
  const { rule, target, type, cutoff } = fit;
  const [guess] = await ownRows<Record<string, unknown>>(
    session,
    'guessing rows',
    guessOlderRows(target, { ...rule, type, cutoff }),
  );
  const guessed = guessedRows(Object.values(guess ?? {})[0]);
  const isEstimate = guessed > countedRows;
  const [counted] = isEstimate
    ? []
    : await ownRows<{ rows: number; first: string | null; last: string | null; timeless: number }>(
        session,
        'counting rows',
        olderRows(target, { ...rule, type, cutoff }),
      );
  const rows = counted?.rows ?? guessed;
  const timeless = counted?.timeless ?? (await timelessOf(session, fit));
  const whole = target.isPartitioned
    ? await oldPartitions(session, { oid: target.oid, time: rule.time, type }, cutoff)
    : null;
  return {
    ...plan,
    rows,
    isEstimate,
    first: isoOrNull(counted?.first),
    last: isoOrNull(counted?.last),
    transactions: Math.ceil(rows / rule.batch),
    warnings: [
      ...plan.warnings,
      ...(whole !== null && whole.partitions.length > 0
        ? [
            `${whole.partitions.length} of its partitions hold such rows alone: action: drop-partition would take them at once`,
          ]
        : []),
      ...leftOut(timeless),
    ],
    statement: firstStatement(fit)?.text ?? null,
  };
}

function isoOrNull(utc: string | null | undefined): string | null {
  return utc === null || utc === undefined ? null : isoOfUtc(utc);
}

/** Out of what EXPLAIN (FORMAT JSON) says. */
function guessedRows(said: unknown): number {
  const parsed: unknown = typeof said === 'string' ? JSON.parse(said) : said;
  const [first] = Array.isArray(parsed) ? (parsed as { Plan?: { 'Plan Rows'?: number } }[]) : [];
  return first?.Plan?.['Plan Rows'] ?? 0;
}

async function planPeriods(session: Session, fit: FitRule, plan: PlannedRule): Promise<PlannedRule> {
  const { rule } = fit;
  const periods = await ownRows<PeriodRow>(session, 'looking for periods', periodsToDo(fit));
  const keeps = rule.action === 'keep-one-a-day';
  const gone = periods.map(({ rows, groups }) => (keeps ? rows - groups : rows));
  const [first, last] = [periods.at(0), periods.at(-1)];
  const late = fit.through === null ? 0 : await lateRowsOf(session, fit);
  return {
    ...plan,
    rows: sum(gone),
    first: isoOrNull(first?.from),
    last: isoOrNull(last?.to),
    made: keeps ? 0 : sum(periods.map(({ groups }) => groups)),
    transactions: sum(gone.map((rows) => (keeps ? Math.ceil(rows / rule.batch) : 1))),
    periods: periods.length,
    warnings: [
      ...plan.warnings,
      ...(late > 0
        ? [`${late} rows came after their ${rule.to ?? 'day'} had been put together: they stay as they are`]
        : []),
      ...leftOut(await timelessOf(session, fit)),
    ],
    statement: firstStatement(fit)?.text ?? null,
  };
}

/** How many rows are at `-infinity`; 0 where no index says so, since to look would read the whole table for it. */
async function timelessOf(session: Session, { rule, target, type }: FitRule): Promise<number> {
  if (target.leaves.some(({ hasTimeIndex }) => !hasTimeIndex)) return 0;
  return countTimeless(session, timelessRows(target, { ...rule, type }));
}

/** Of a partition that is open towards the past: no other can hold such rows. */
async function timelessIn(session: Session, { rule, target, type }: FitRule, partition: OldPartition): Promise<number> {
  if (partition.from !== null) return 0;
  return countTimeless(session, timelessRows(target, { ...rule, type, partition }));
}

async function countTimeless(session: Session, statement: Sql): Promise<number> {
  const [row] = await ownRows<{ timeless: number }>(session, 'looking for rows at -infinity', statement);
  return row?.timeless ?? 0;
}

function leftOut(timeless: number): readonly string[] {
  return timeless > 0 ? [`${timeless} rows are at -infinity, which is no age: they stay`] : [];
}

async function lateRowsOf(session: Session, fit: FitRule): Promise<number> {
  const [row] = await ownRows<{ rows: number }>(session, 'looking for late rows', lateRows(fit));
  return row?.rows ?? 0;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

async function planDrop(session: Session, fit: FitRule, plan: PlannedRule): Promise<PlannedRule> {
  const old = await oldPartitionsOf(session, fit);
  const obstacle = partitionObstacle(fit, old);
  if (old === null || obstacle !== null) return { ...plan, obstacles: obstacle === null ? [] : [obstacle] };
  const timeless: string[] = [];
  const partitions: OldPartition[] = [];
  for (const partition of old.partitions) {
    const rows = await timelessIn(session, fit, partition);
    if (rows === 0 || fit.rule.action === 'archive') partitions.push(partition);
    else timeless.push(keptFor(partition, rows));
  }
  const [first, last] = [partitions.at(0), partitions.at(-1)];
  const known = partitions.every(({ rows }) => rows !== null);
  return {
    ...plan,
    rows: known ? sum(partitions.map(({ rows }) => rows ?? 0)) : null,
    isEstimate: true,
    first: first?.from ?? null,
    last: last?.to ?? null,
    transactions: partitions.length,
    partitions,
    warnings: [...plan.warnings, ...timeless, ...(await leftBehind(session, fit, old))],
    statement: first === undefined || fit.rule.action === 'archive' ? null : sql`DROP TABLE ${tableOf(first)}`.text,
  };
}

/** Of a partition that is not dropped, since not all of its rows are old. */
export function keptFor(partition: TableName, timeless: number): string {
  return `${shownName(partition)} holds ${timeless} rows at -infinity, which is no age: it stays until they have a time, or are deleted`;
}

/** The partitions that a rule takes as a whole; null where its table has none by its time. */
export function oldPartitionsOf(
  session: Session,
  { rule, target, type, cutoff }: FitRule,
): Promise<OldPartitions | null> {
  return oldPartitions(session, { oid: target.oid, time: rule.time, type }, cutoff);
}

/** What is as old and stays. */
async function leftBehind(session: Session, { rule, type, cutoff }: FitRule, old: OldPartitions): Promise<string[]> {
  const { others, defaultPartition: rest } = old;
  const [waiting] =
    rest === null
      ? []
      : await ownRows(
          session,
          'looking into the DEFAULT partition',
          sql`SELECT FROM ONLY ${tableOf(rest)} WHERE ${ident(rule.time)} OPERATOR(pg_catalog.<) ${literalOf(type, cutoff)} LIMIT 1`,
        );
  return [
    ...others.map((partition) => `${shownName(partition)} is partitioned itself, and stays`),
    ...(rest === null || waiting === undefined
      ? []
      : [
          `rows of the DEFAULT partition ${shownName(rest)} are as old, and stay: pulse-migrate partition drain ${rule.table}`,
        ]),
  ];
}

/** Why whole partitions cannot be taken; null where they can. */
export function partitionObstacle({ rule }: FitRule, old: OldPartitions | null): Obstacle | null {
  if (old === null) return notByTime({ rule });
  const [other] = old.others;
  if (rule.action !== 'archive' || other === undefined) return null;
  return {
    why: `its partition ${shownName(other)} is partitioned itself, and only plain tables are archived`,
    cure: `take that one out of the table first: pulse-migrate partition detach ${rule.table} ${other.name}`,
  };
}

/** Of a table that is partitioned by something else than the time of the rule. */
export function notByTime({ rule }: Pick<FitRule, 'rule'>): Obstacle {
  return {
    why: `it is not partitioned by ranges of ${rule.time}, so no partition is known to hold old rows alone`,
    cure: 'name the column of its partition key under time, or write action: delete',
  };
}
