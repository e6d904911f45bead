import { PulseError } from '../../errors.ts';
import type { PartitionedTableSetting, Period } from '../../periods.ts';
import { explainOwnStatement, StatementError } from '../../postgres/errors.ts';
import type { Session } from '../../postgres/session.ts';
import { sql } from '../../postgres/sql.ts';
import type { ClosedRange, KeyType } from '../bounds.ts';
import { type Calendar, calendarOf, instantOf, isoOf } from '../calendar.ts';
import type { TableName } from '../catalog.ts';
import { attachRanges, cutoverOf } from '../convert/attach/cutover.ts';
import { historyName } from '../convert/attach/spec.ts';
import { readConversions } from '../convert/conversion.ts';
import { type Extent, extentOf, type LeavesAsked, leafNames, leafRanges } from '../convert/leaves.ts';
import { lostKeys, type Refusal, refusalsOf } from '../convert/refusals.ts';
import { plainSettings, readSourceFacts, relationOid, type SourceFacts } from '../convert/source-facts.ts';
import type { Strategy } from '../convert/strategy.ts';
import { withColumn } from '../convert/widen.ts';
import { shownIdent, shownTable } from '../shown-name.ts';
import { attachStepsOf } from './attach-steps.ts';
import { type Dependant, dependantsOf } from './dependants.ts';
import { type KeyChoice, keyOf, keyTypeOf } from './key-column.ts';
import { type Size, sizeOf, spreadOf } from './measure.ts';
import { rowsInRanges } from './spread.ts';
import { type Step, stepsOf } from './steps.ts';
import { type UsedStatements, usedStatements } from './used-statements.ts';

export interface PlanInput {
  /** As typed, quoted as in SQL; none means all that are configured. */
  readonly tables: readonly string[];
  readonly configured: readonly PartitionedTableSetting[];
  /** For all of them; null: as configured, else what the table leaves no choice in. */
  readonly by: string | null;
  /** For all of them; null: as configured, else months. */
  readonly period: Period | null;
  readonly lead: number | null;
  readonly strategy: Strategy;
  /** With `attach`; null: by the period, at least a week ahead. */
  readonly cutover: Date | null;
  /** With `copy`: earlier and later rows go to the DEFAULT partition; null: as far as the rows reach, and the lead. */
  readonly from: Date | null;
  readonly to: Date | null;
  readonly now: Date;
  /** The tool's schema. */
  readonly schema: string;
}

/** What becomes of a unique key that lacks the partition key, by the choice of the operator. */
export interface UniqueKey {
  readonly name: string;
  readonly definition: string;
  readonly columns: ReadonlyArray<string | null>;
  /** The definition with `--unique widen`. With `per-leaf` and `registry` it is the same, and the old key is held besides. */
  readonly widened: string;
  /** What `per-leaf` takes besides, bytes; a registry, whose entries are as many, about as much. */
  readonly bytes: number;
}

/** Bounds in ISO 8601, UTC. */
export interface PlannedPartition extends TableName {
  /** Null: all there is before. */
  readonly from: string | null;
  readonly to: string;
  /** By the statistics of the column; null without any. */
  readonly rows: number | null;
}

export interface PlannedPartitions {
  readonly period: Period;
  readonly periodFrom: 'asked' | 'configured' | 'default';
  readonly partitions: readonly PlannedPartition[];
  readonly defaultPartition: TableName & { readonly rows: number | null };
  /** The first and the last time in the table that are finite, ISO 8601; null for an empty one. */
  readonly first: string | null;
  readonly last: string | null;
}

/** What a conversion of one table would do, and what stands against it. */
export interface TablePlan extends TableName {
  /** As typed, for commands to go on with. */
  readonly table: string;
  /** Then there is nothing else to be said of it. */
  readonly isPartitioned: boolean;
  /** Null of a partitioned table. */
  readonly size: Size | null;
  readonly trigger: { readonly rows: number; readonly isReached: boolean | null } | null;
  readonly key: KeyChoice;
  readonly refusals: readonly Refusal[];
  readonly uniqueKeys: readonly UniqueKey[];
  /** Null where it cannot be said, which a refusal explains then. */
  readonly partitions: PlannedPartitions | null;
  readonly strategy: Strategy;
  /**
   * Bytes, and as much again in WAL. The copy with its indexes at most, both tables stay until `partition finish`; with
   * `attach` the unique indexes with the partition key.
   */
  readonly copyBytes: number;
  readonly dependants: readonly Dependant[];
  readonly steps: readonly Step[];
  readonly statements: UsedStatements | null;
}

/**
 * What a conversion of each table would do, what stands against it, and what only the operator can decide. Reads only.
 * @throws {PulseError} `usage` where no table is named and none configured, `not-possible` for one that is not there.
 */
export async function planPartitions(session: Session, input: PlanInput): Promise<readonly TablePlan[]> {
  const tables = input.tables.length > 0 ? input.tables : input.configured.map(({ table }) => table);
  if (tables.length === 0) {
    throw new PulseError('usage', 'no table is named, and the configuration names none under partitions', {
      hint: 'for example: pulse-migrate partition plan commits --by committed_at',
    });
  }
  try {
    const settings = await settingsBy(session, input.configured);
    const plans: TablePlan[] = [];
    for (const table of tables) plans.push(await planOf(session, table, settings, input));
    return plans;
  } catch (error) {
    throw explainOwnStatement(error, 'planning partitions');
  }
}

/** What is configured by the oid of its table: it may be named in two ways. */
async function settingsBy(session: Session, configured: readonly PartitionedTableSetting[]) {
  const settings = new Map<number, PartitionedTableSetting>();
  for (const setting of configured) {
    const oid = await relationOid(session, setting.table);
    if (oid !== null) settings.set(oid, setting);
  }
  return settings;
}

async function planOf(
  session: Session,
  table: string,
  settings: ReadonlyMap<number, PartitionedTableSetting>,
  input: PlanInput,
): Promise<TablePlan> {
  const oid = await relationOid(session, table);
  const facts = oid === null ? null : await readSourceFacts(session, oid, input.schema);
  if (oid === null || facts === null) {
    throw new PulseError('not-possible', `there is no table ${table}`, {
      hint: 'name it with its schema where search_path does not hold that',
    });
  }
  const setting = settings.get(oid) ?? null;
  const { schema, name } = facts;
  const isPartitioned = facts.kind === 'p';
  const size = isPartitioned ? null : await sizeOf(session, oid);
  const trigger = setting?.trigger ?? null;
  const key = keyOf(facts.columns, input.by, setting?.by ?? null);
  const plan: TablePlan = {
    ...{ schema, name, table, size, key, isPartitioned },
    trigger: trigger && {
      ...trigger,
      isReached: size === null || size.rows === null ? null : size.rows >= trigger.rows,
    },
    ...{ refusals: [], uniqueKeys: [], partitions: null, copyBytes: 0, dependants: [], steps: [], statements: null },
    strategy: input.strategy,
  };
  if (size === null || key.column === null) return plan;
  return planned(session, facts, { ...plan, size, key: { ...key, column: key.column } }, { ...input, setting });
}

type WithKey = TablePlan & { readonly size: Size; readonly key: { readonly column: string } };
type WithSetting = PlanInput & { readonly setting: PartitionedTableSetting | null };

async function planned(session: Session, facts: SourceFacts, plan: WithKey, input: WithSetting): Promise<TablePlan> {
  const { column } = plan.key;
  const { size } = plan;
  const uniqueKeys = lostKeys(facts, column).map(
    ({ name, definition, columns }): UniqueKey => ({
      ...{ name, definition, columns, widened: withColumn(definition, shownIdent(column)) },
      bytes: size.indexes.find((index) => index.name === name)?.bytes ?? 0,
    }),
  );
  const refusals = [
    // The choice of --unique is not refused but asked for.
    ...refusalsOf(facts, { column, unique: 'widen', strategy: input.strategy }),
    ...(await underWay(session, facts, input.schema)),
    ...(session.pooled ? [pooled] : []),
  ];
  const partitions = await partitionsOf(session, facts, plan, input);
  return {
    ...plan,
    refusals: 'message' in partitions ? [...refusals, ...unlessTold(partitions, facts, column)] : refusals,
    uniqueKeys,
    partitions: 'message' in partitions ? null : partitions,
    copyBytes: input.strategy === 'copy' ? size.tableBytes + size.indexBytes : extraBytes(facts, uniqueKeys),
    dependants: dependantsOf(facts, column),
    steps:
      input.strategy === 'copy'
        ? stepsOf(facts, column, 'message' in partitions ? null : partitions.partitions.length)
        : attachStepsOf(facts, column, uniqueKeys),
    statements: await usedStatements(session, facts, column, uniqueKeys),
  };
}

/** Each key again with the partition key, and that of a primary key by itself besides. */
function extraBytes({ indexes }: SourceFacts, keys: readonly UniqueKey[]): number {
  const isPrimary = (name: string) => indexes.some((index) => index.name === name && index.constraint === 'p');
  return keys.reduce((sum, { name, bytes }) => sum + bytes * (isPrimary(name) ? 2 : 1), 0);
}

const pooled: Refusal = {
  message: 'a pooler is in between, and a conversion needs a session of its own',
  hint: 'connect to the server itself: --database-url with its own host and port',
};

/** Of a column that is none nothing more has to be said than that. */
function unlessTold(refusal: Refusal, facts: SourceFacts, column: string): readonly Refusal[] {
  const known = facts.columns.find(({ name }) => name === column);
  return known === undefined || keyTypeOf(known) === null ? [] : [refusal];
}

async function underWay(
  session: Session,
  { schema, name }: TableName,
  toolSchema: string,
): Promise<readonly Refusal[]> {
  const [conversion] = await readConversions(
    session,
    toolSchema,
    sql`schema_name = ${schema} AND table_name = ${name} AND ended_at IS NULL`,
  );
  if (conversion === undefined) return [];
  return [
    {
      message: `it is being converted already: ${conversion.phase}`,
      hint: `pulse-migrate partition status ${name}`,
    },
  ];
}

/** The longest the first and the last time of the table are looked for: without an index all of it is read. */
const longestLookMs = 10_000;

async function partitionsOf(
  session: Session,
  facts: SourceFacts,
  { key, size }: WithKey,
  input: WithSetting,
): Promise<PlannedPartitions | Refusal> {
  const fact = facts.columns.find(({ name }) => name === key.column);
  const type = fact === undefined ? null : keyTypeOf(fact);
  if (type === null) return { message: `${key.column} is no date and no time`, hint: 'name another column with --by' };
  const { setting } = input;
  const period = input.period ?? setting?.period ?? 'month';
  const periodFrom = input.period !== null ? 'asked' : setting?.period != null ? 'configured' : 'default';
  const extent = await extentWithin(session, facts, key.column);
  if ('message' in extent) return extent;
  const calendar = calendarOf(period);
  try {
    const lead = input.lead ?? setting?.lead ?? usualLead;
    const asked = { now: input.now, lead, from: input.from, to: input.to };
    if (input.strategy === 'attach')
      return await attached(session, facts, { calendar, extent, asked, input, rows: size.rows, periodFrom });
    const ranges = leafRanges(calendar, extent, asked);
    const names = await leafNames(session, facts, calendar, ranges);
    const rows = await rowsOf(session, facts, { ...key, type }, { rows: size.rows, ranges });
    return {
      ...{ period, periodFrom, ...endsOf(extent) },
      partitions: ranges.map(({ from, to }, at) => ({
        ...nameAt(names, at),
        ...{ from: isoOf(from), to: isoOf(to), rows: rows?.each[at] ?? null },
      })),
      defaultPartition: { ...nameAt(names, ranges.length), rows: rows?.outside ?? null },
    };
  } catch (error) {
    if (error instanceof PulseError) return { message: error.message, hint: error.hint };
    throw error;
  }
}

function endsOf({ first, last }: Extent) {
  return { first: first === null ? null : isoOf(first), last: last === null ? null : isoOf(last) };
}

interface Attached {
  readonly calendar: Calendar;
  readonly extent: Extent;
  readonly asked: LeavesAsked;
  readonly input: WithSetting;
  readonly rows: number | null;
  readonly periodFrom: PlannedPartitions['periodFrom'];
}

/** The table itself before the cutover, with all its rows, and empty partitions behind it. */
async function attached(session: Session, facts: SourceFacts, about: Attached): Promise<PlannedPartitions | Refusal> {
  const { calendar, extent, asked, input } = about;
  const cutover = input.cutover === null ? cutoverOf(calendar, extent, asked) : instantOf(input.cutover);
  const ranges = attachRanges(calendar, cutover, asked);
  if (extent.last !== null && extent.last >= cutover) {
    return {
      message: `its last time is ${isoOf(extent.last)}, not before the cutover ${isoOf(cutover)}`,
      hint: 'name a later --cutover, correct these rows, or take --strategy copy',
    };
  }
  const names = await leafNames(session, facts, calendar, ranges);
  return {
    ...{ period: calendar.period, periodFrom: about.periodFrom, ...endsOf(extent) },
    partitions: [
      { schema: facts.schema, name: historyName(facts), from: null, to: isoOf(cutover), rows: about.rows },
      ...ranges.map(({ from, to }, at) => ({ ...nameAt(names, at), from: isoOf(from), to: isoOf(to), rows: 0 })),
    ],
    defaultPartition: { ...nameAt(names, ranges.length), rows: 0 },
  };
}

/** As `partition convert` makes them without --lead. */
const usualLead = 3;

function nameAt(names: readonly TableName[], at: number): TableName {
  const { schema = '', name = '' } = names[at] ?? {};
  return { schema, name };
}

async function extentWithin(session: Session, table: TableName, column: string): Promise<Extent | Refusal> {
  await session.run(
    `BEGIN READ ONLY; ${plainSettings.text}; SET LOCAL row_security = off; SET LOCAL statement_timeout = ${longestLookMs}`,
  );
  try {
    return await extentOf(session, table, column);
  } catch (error) {
    if (!(error instanceof StatementError)) throw error;
    return error.sqlstate === '57014'
      ? {
          message: `to find its first and last time takes more than ${longestLookMs / 1000} s: the partitions are not known`,
          hint: `CREATE INDEX CONCURRENTLY ON ${shownTable(table)} (${shownIdent(column)})`,
        }
      : { message: `its first and last time are not known: ${error.message}`, hint: 'connect as its owner' };
  } finally {
    await session.run('ROLLBACK');
  }
}

async function rowsOf(
  session: Session,
  table: TableName,
  key: { readonly column: string; readonly type: KeyType },
  { rows, ranges }: { readonly rows: number | null; readonly ranges: readonly ClosedRange[] },
) {
  const spread = rows === null ? null : await spreadOf(session, table, key.column, key.type);
  return rows === null || spread === null ? null : rowsInRanges(spread, rows, ranges);
}
