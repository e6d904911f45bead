import type { Session } from '../../postgres/session.ts';
import { raw, sql } from '../../postgres/sql.ts';
import type { TableName } from '../catalog.ts';
import { isTyped } from '../shown-name.ts';
import { isClosed } from './attach/cutover-check.ts';
import { builtIndexes, extraIndexes } from './attach/extra-indexes.ts';
import { type Conversion, type Phase, partsOf, readConversions } from './conversion.ts';
import { relationOid } from './source-facts.ts';
import type { Strategy } from './strategy.ts';

/** A conversion as people and programs want to know it. Times in ISO 8601. */
export interface ConversionStatus extends TableName {
  readonly phase: Phase;
  readonly key: string;
  readonly period: string;
  readonly unique: string | null;
  readonly strategy: Strategy | 'split';
  /** With `attach`: where the table ends as a partition; from its CHECK to the exchange it takes no row behind it. */
  readonly cutover: string | null;
  /** Whether it takes no row behind the cutover now. */
  readonly isClosed: boolean;
  /** Of the copy, 0 to 1. */
  readonly copied: number;
  readonly rowsCopied: number;
  /** While the copy was working, without its rests. */
  readonly rowsPerSecond: number | null;
  /** Of the copy, at that rate. */
  readonly secondsLeft: number | null;
  /** Changes that are still to be brought over: before the swap to the partitions, behind it, for a rollback, to the old table. */
  readonly backlog: number;
  readonly indexesBuilt: number;
  readonly indexes: number;
  /** The longest time that clients could wait for us, milliseconds. */
  readonly worstLockMs: number;
  readonly startedAt: string;
  readonly swappedAt: string | null;
  readonly endedAt: string | null;
  readonly oldTable: string;
  readonly mayFinish: boolean;
  readonly lastError: string | null;
}

/** All conversions, the latest first; of one table where it is named. */
export async function conversionStatus(
  session: Session,
  toolSchema: string,
  table: string | null,
): Promise<readonly ConversionStatus[]> {
  const oid = table === null ? null : await relationOid(session, table);
  const all = await readConversions(session, toolSchema, sql`TRUE`);
  const chosen =
    table === null
      ? all
      : all.filter(
          (conversion) =>
            [conversion.sourceOid, conversion.targetOid].includes(oid ?? 0) ||
            // Somebody has dropped it, or it is split and has another name.
            ((oid === null || conversion.spec.split !== undefined) && isTyped(conversion, table)),
        );
  const told: ConversionStatus[] = [];
  for (const conversion of chosen) told.push(await statusOf(session, toolSchema, conversion));
  return told;
}

/** What is told of a conversion. */
export async function statusOf(
  session: Session,
  toolSchema: string,
  conversion: Conversion,
): Promise<ConversionStatus> {
  const { schema, name, phase, spec, blocks, nextBlock, rowsCopied, copyMs, swappedAt, endedAt } = conversion;
  const share = phase === 'prepared' ? 0 : blocks === 0 ? 1 : nextBlock / blocks;
  const rate = copyMs === 0 ? null : (rowsCopied * 1000) / copyMs;
  return {
    schema,
    name,
    phase,
    key: spec.key.column,
    period: spec.period,
    unique: spec.unique,
    strategy: spec.split !== undefined ? 'split' : spec.attach === undefined ? 'copy' : 'attach',
    cutover: spec.attach?.cutover ?? null,
    isClosed: spec.attach !== undefined && (await isClosed(session, conversion, spec.attach)),
    copied: share,
    rowsCopied,
    rowsPerSecond: rate === null ? null : Math.round(rate),
    secondsLeft: phase !== 'copying' || share === 0 ? null : Math.round((copyMs * (1 - share)) / share / 1000),
    backlog: isLogged(conversion) ? await entries(session, toolSchema, conversion) : 0,
    ...(await indexesOf(session, conversion)),
    worstLockMs: Math.round(conversion.worstLockMs),
    startedAt: conversion.startedAt,
    swappedAt,
    endedAt,
    oldTable: spec.oldName,
    mayFinish: phase === 'completed' && conversion.mayFinish,
    lastError: conversion.lastError,
  };
}

/** Where nothing is copied there is no log, and behind a split nothing is logged. */
function isLogged({ spec, swappedAt, endedAt }: Conversion): boolean {
  return endedAt === null && spec.attach === undefined && (spec.split === undefined || swappedAt === null);
}

async function indexesOf(session: Session, conversion: Conversion) {
  const { spec, swappedAt, endedAt, indexesBuilt } = conversion;
  if (spec.attach === undefined) return { indexesBuilt, indexes: spec.indexes.length };
  const indexes = extraIndexes(conversion).length;
  // Behind the exchange those are the table's own, whatever becomes of them.
  const isDone = swappedAt !== null || endedAt !== null;
  return { indexesBuilt: isDone ? indexes : await builtIndexes(session, conversion), indexes };
}

async function entries(session: Session, toolSchema: string, { id, swappedAt }: Conversion): Promise<number> {
  const { log, reverseLog } = partsOf(toolSchema, id);
  const [row] = await session.rows<{ entries: number }>(
    sql`SELECT pg_catalog.count(*)::pg_catalog.float8 AS entries FROM ${raw(swappedAt === null ? log : reverseLog)}`,
  );
  return row?.entries ?? 0;
}
