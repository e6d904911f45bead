import { ident, join, sql } from '../postgres/sql.ts';
import { boundLiteral, type ClosedRange } from './bounds.ts';
import type { PartitionedTable, TableName } from './catalog.ts';
import { type DefaultFacts, within } from './drain-catalog.ts';
import { type PlannedStatement, statementsToAttach } from './new-partition.ts';

/** Where the server keeps the figures of a move until it is asked for them, within the transaction. */
export const figuresSetting = 'pulse_migrate.drained';

/** One move: rows of `range` go from the DEFAULT partition to `made`. */
export interface Move {
  readonly table: PartitionedTable;
  readonly from: TableName;
  readonly made: TableName;
  readonly range: ClosedRange;
  readonly facts: DefaultFacts;
  /** What makes the partition, in the order of `statementsApart`. */
  readonly apart: readonly PlannedStatement[];
}

export interface MoveStatements {
  /** While everybody goes on reading and writing. */
  readonly before: readonly PlannedStatement[];
  readonly locks: readonly PlannedStatement[];
  readonly locked: readonly PlannedStatement[];
}

const noLock = 'none on what clients use';
const rangeCheck = 'pulse_migrate_range';

/** What would look at rows, or keep us from moving them, comes when they are there. */
const lateOnes = new Set([
  'a trigger of the partitions',
  'row level security',
  'a policy of the partitions',
  'the owner',
]);

/**
 * The statements of one move, all of one transaction. Rows are copied while clients work; each copy is remembered with
 * place and version (ctid, xmin) of its row, which no other content can ever have while the file of the table stays the
 * same. Under the lock, copies whose row is gone or changed are taken away, rows without a copy are added, and the rows
 * leave the DEFAULT partition. No trigger fires, since no row changes.
 */
export function statementsToMove(move: Move): MoveStatements {
  const { table, from, made, range, facts, apart } = move;
  const [source, target] = [ident(from.schema, from.name).text, ident(made.schema, made.name).text];
  const { locks, attach } = statementsToAttach(table, made, range, true);
  const [low, high] = [boundLiteral(table.key.type, range.from), boundLiteral(table.key.type, range.to)];
  const key = ident(table.key.column);
  const early = apart.filter(({ purpose }) => !lateOnes.has(purpose));
  const late = apart.filter(({ purpose }) => lateOnes.has(purpose));
  const triggers = facts.triggers.map(({ name, enabled }) => ({ name: ident(name).text, enabled }));
  const parent = ident(table.schema, table.name).text;
  return {
    before: [
      {
        purpose: 'one at a time makes partitions of the table',
        sql: `LOCK TABLE ONLY ${parent} IN SHARE UPDATE EXCLUSIVE MODE`,
        lock: `SHARE UPDATE EXCLUSIVE on ${table.name}`,
      },
      ...early,
      {
        purpose: 'its range, so that ATTACH need not look through it',
        sql: sql`ALTER TABLE ${ident(made.schema, made.name)} ADD CONSTRAINT ${ident(rangeCheck)} CHECK (${key} IS NOT NULL AND ${key} >= ${low} AND ${key} < ${high})`
          .text,
        lock: noLock,
      },
      {
        purpose: 'which copy is of which version of a row',
        sql: 'CREATE TEMPORARY TABLE pulse_migrate_copied (place tid, version xid, copy tid) ON COMMIT DROP',
        lock: noLock,
      },
      { purpose: 'the rows are copied', sql: copying(move, source, target), lock: `ACCESS SHARE on ${from.name}` },
      { purpose: 'for the plans under the lock', sql: 'ANALYZE pg_temp.pulse_migrate_copied', lock: noLock },
    ],
    locks,
    locked: [
      ...triggers.map(({ name }) => ({
        purpose: 'no row changes, so no trigger fires',
        sql: `ALTER TABLE ${source} DISABLE TRIGGER ${name}`,
        lock: `under the lock of ${from.name}`,
      })),
      {
        purpose: 'what changed since the copy, and the rows leave the DEFAULT partition',
        sql: settling(move, source, target),
        lock: `under the lock of ${from.name}`,
      },
      ...triggers.map(({ name, enabled }) => ({
        purpose: 'the trigger is as it was',
        sql: `ALTER TABLE ${source} ENABLE ${{ A: 'ALWAYS ', R: 'REPLICA ' }[enabled] ?? ''}TRIGGER ${name}`,
        lock: `under the lock of ${from.name}`,
      })),
      ...late,
      attach,
      {
        purpose: 'the bounds say it now',
        sql: `ALTER TABLE ${target} DROP CONSTRAINT ${ident(rangeCheck).text}`,
        lock: noLock,
      },
    ],
  };
}

/** A loop, since no statement tells the place of a copy together with that of its row. */
function copying({ table, range, facts }: Move, source: string, target: string): string {
  const names = facts.columns.map((column) => ident(column));
  // By names of ours: a column may be called as the alias, or as what stands beside it.
  const read = facts.columns.map((column, index) => `${ident('d', column).text} AS v${index}`).join(', ');
  const values = facts.columns.map((_, index) => `r.v${index}`).join(', ');
  return `DO $pulse$
DECLARE r record; made tid;
BEGIN
  FOR r IN SELECT d.ctid AS place, d.xmin AS version, ${read} FROM ONLY ${source} AS d WHERE ${within(table, range)} LOOP
    INSERT INTO ${target} (${join(names).text}) VALUES (${values}) RETURNING ctid INTO made;
    INSERT INTO pg_temp.pulse_migrate_copied VALUES (r.place, r.version, made);
  END LOOP;
END $pulse$`;
}

function settling({ table, range, facts }: Move, source: string, target: string): string {
  const names = facts.columns.map((column) => ident(column));
  return `DO $pulse$
DECLARE copied int8; stale int8; added int8; gone int8;
BEGIN
  SELECT pg_catalog.count(*) INTO copied FROM pg_temp.pulse_migrate_copied;
  DELETE FROM ONLY ${target} AS t USING pg_temp.pulse_migrate_copied AS m WHERE t.ctid = m.copy
    AND NOT EXISTS (SELECT FROM ONLY ${source} AS d WHERE d.ctid = m.place AND d.xmin = m.version);
  GET DIAGNOSTICS stale = ROW_COUNT;
  INSERT INTO ${target} (${join(names).text})
    SELECT ${join(facts.columns.map((column) => ident('d', column))).text} FROM ONLY ${source} AS d WHERE ${within(table, range)}
    AND NOT EXISTS (SELECT FROM pg_temp.pulse_migrate_copied AS m WHERE m.place = d.ctid AND m.version = d.xmin);
  GET DIAGNOSTICS added = ROW_COUNT;
  DELETE FROM ONLY ${source} AS d WHERE ${within(table, range)};
  GET DIAGNOSTICS gone = ROW_COUNT;
  IF gone <> copied - stale + added THEN
    RAISE EXCEPTION 'of % rows % arrived', gone, copied - stale + added USING ERRCODE = 'data_exception';
  END IF;
  SET CONSTRAINTS ALL IMMEDIATE;
  PERFORM pg_catalog.set_config('${figuresSetting}', gone || ' ' || stale || ' ' || added, true);
END $pulse$`;
}
