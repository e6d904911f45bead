import { PulseError } from '../errors.ts';
import type { Session } from '../postgres/session.ts';
import { sql } from '../postgres/sql.ts';
import { type Crossing, crossingOf, fitLine, type Line, type Point } from './fit-line.ts';
import { type RelationName, tableOids } from './relation-names.ts';
import { readRecords, type SizeRecord } from './size-records.ts';

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

export interface Growth {
  /** The fastest in bytes first. */
  readonly tables: readonly TableGrowth[];
  /** Configured triggers of tables that were never recorded. */
  readonly unrecorded: readonly string[];
}

/**
 * What was recorded of tables, the line through it, and when each configured trigger will be reached by that line.
 * @throws {PulseError} `not-possible` where nothing was recorded yet, or a table is named that is not there.
 */
export async function readGrowth(
  session: Session,
  schema: string,
  tables: readonly string[],
  triggers: Triggers,
): Promise<Growth> {
  const oids = await tableOids(session, tables);
  const records = await readRecords(session, schema, oids === null ? null : await namesOf(session, oids));
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
  };
}

async function namesOf(session: Session, oids: readonly number[]): Promise<readonly RelationName[]> {
  return session.rows<RelationName>(sql`SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid::pg_catalog.text = ANY (${oids.map(String)})`);
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
