import { PulseError } from '../errors.ts';
import type { Session } from '../postgres/session.ts';
import { sql } from '../postgres/sql.ts';
import { type Crossing, crossingOf, fitLine, type Line, type Point } from './fit-line.ts';
import { type RelationName, tableOids } from './relation-names.ts';
import { readRecords, readTotals, type SizeRecord } from './size-records.ts';

/** Rows at which something is to be done about a table, by its name as configured. */
export type Triggers = Readonly<Record<string, number>>;

export interface TableGrowth extends RelationName {
  /** How often it was recorded. */
  readonly records: number;
  readonly bytes: readonly Point[];
  readonly rows: readonly Point[];
  /** Null where there are fewer than two records. */
  readonly bytesLine: Line | null;
  readonly rowsLine: Line | null;
  readonly trigger: { readonly rows: number; readonly isReached: boolean; readonly crossing: Crossing | null } | null;
}

export interface GrowthInput {
  /** As typed; none means those with a trigger and the largest. */
  readonly tables: readonly string[];
  readonly triggers: Triggers;
  /** So many of the largest. */
  readonly top: number;
}

export interface Growth {
  /** The fastest in bytes first. */
  readonly tables: readonly TableGrowth[];
  /** Configured triggers of tables that were never recorded. */
  readonly unrecorded: readonly string[];
  /** Of all tables together; null where there are fewer than two records. */
  readonly wholeLine: Line | null;
}

/** When the disk will be full, if nothing but these tables grows on it. */
export function diskFull({ wholeLine }: Growth, freeBytes: number): Crossing | null {
  return wholeLine === null ? null : crossingOf(wholeLine, wholeLine.end.value + freeBytes);
}

/**
 * What was recorded of tables, the line through it, and when each configured trigger will be reached by that line.
 * @throws {PulseError} `not-possible` where nothing was recorded yet, or a table is named that is not there;
 * `permission-denied` where the records may not be read.
 */
export async function readGrowth(
  session: Session,
  schema: string,
  { tables, triggers, top }: GrowthInput,
): Promise<Growth> {
  const oids = await tableOids(session, tables);
  const which =
    oids === null
      ? { names: Object.keys(triggers).flatMap(calledSo), largest: top }
      : { names: await namesOf(session, oids), largest: 0 };
  const records = await readRecords(session, schema, which);
  if (records.length === 0) {
    throw new PulseError('not-possible', 'no size was recorded yet', {
      hint: 'record them, best daily from cron: pulse-migrate report sizes --record',
    });
  }
  const byTable = new Map<string, SizeRecord[]>();
  for (const record of records) {
    const key = JSON.stringify([record.schema, record.name]);
    const known = byTable.get(key);
    if (known === undefined) byTable.set(key, [record]);
    else known.push(record);
  }
  const all = [...byTable.values()].flatMap((of) => growthOf(of, triggers));
  const configured = Object.keys(triggers).filter((name) => !all.some((table) => isCalled(table, name)));
  return {
    tables: all.toSorted((a, b) => (b.bytesLine?.perDay ?? 0) - (a.bytesLine?.perDay ?? 0)),
    unrecorded: tables.length > 0 ? [] : configured,
    wholeLine: fitLine(await readTotals(session, schema)),
  };
}

async function namesOf(session: Session, oids: readonly number[]): Promise<readonly RelationName[]> {
  return session.rows<RelationName>(sql`SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid::pg_catalog.text = ANY (${oids.map(String)})`);
}

/** What a table may be that is configured under this name; a dot may be part of a name. */
function calledSo(configured: string): RelationName[] {
  const dots = [...configured.matchAll(/\./g)].map(({ index }) => index);
  return [
    { schema: 'public', name: configured },
    ...dots.map((dot) => ({ schema: configured.slice(0, dot), name: configured.slice(dot + 1) })),
  ];
}

function isCalled({ schema, name }: RelationName, configured: string): boolean {
  return configured === `${schema}.${name}` || (schema === 'public' && configured === name);
}

function growthOf(records: readonly SizeRecord[], triggers: Triggers): TableGrowth[] {
  const [first] = records;
  if (first === undefined) return [];
  const { schema, name } = first;
  const bytes = records.map((record) => ({ at: record.at, value: record.bytes }));
  const rows = records.flatMap((record) => (record.rows === null ? [] : [{ at: record.at, value: record.rows }]));
  const rowsLine = fitLine(rows);
  const wanted = Object.entries(triggers).find(([configured]) => isCalled(first, configured))?.[1];
  const isReached = wanted !== undefined && (rows.at(-1)?.value ?? 0) >= wanted;
  return [
    {
      ...{ schema, name, records: records.length, bytes, rows, rowsLine },
      bytesLine: fitLine(bytes),
      trigger:
        wanted === undefined
          ? null
          : { rows: wanted, isReached, crossing: rowsLine === null ? null : crossingOf(rowsLine, wanted) },
    },
  ];
}
