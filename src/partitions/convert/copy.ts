import { ident, raw, sql } from '../../postgres/sql.ts';
import { copyAnew, listOf } from './capture.ts';
import { logColumn } from './capture-parts.ts';
import { type Conversion, conversionTable, moveOn, partsOf, readConversion } from './conversion.ts';
import type { Work } from './deps.ts';
import { lostTrack } from './failures.ts';
import { backlogOf } from './replay.ts';
import { nameSql } from './source-facts.ts';
import { ownBegin } from './under-lock.ts';

/** A batch should take so long, milliseconds: short enough for a duty below 1 to be smooth, long enough to be worth a COMMIT. */
const batchMs = 250;
const firstBlocks = 64;
const mostBlocks = 32_768;

/**
 * Copies the rows by their place in the table, batch by batch, each in one transaction with the place where the next
 * begins. A row that was written since the capture began has its key in the log, in the same snapshot as itself, and is
 * left out: the replay brings it. All others have one place and come once.
 */
export async function copyRows(work: Work, begun: Conversion): Promise<Conversion> {
  let conversion = begun;
  let blocks = firstBlocks;
  const startedMs = work.now().getTime();
  const before = conversion.rowsCopied;
  while (conversion.nextBlock < conversion.blocks) {
    work.signal.throwIfAborted();
    const batchStart = work.now().getTime();
    const to = Math.min(conversion.blocks, conversion.nextBlock + blocks);
    const rows = await copyBatch(work, conversion, to);
    if (rows === null) {
      conversion = await afterRefusal(work, conversion);
      continue;
    }
    const tookMs = Math.max(1, work.now().getTime() - batchStart);
    conversion = {
      ...conversion,
      nextBlock: to,
      rowsCopied: conversion.rowsCopied + rows,
      copyMs: conversion.copyMs + tookMs,
    };
    blocks = Math.max(1, Math.min(mostBlocks, Math.round(blocks * Math.min(2, Math.max(0.5, batchMs / tookMs)))));
    const elapsed = Math.max(1, work.now().getTime() - startedMs);
    const perSecond = ((conversion.rowsCopied - before) * 1000) / elapsed;
    const share = conversion.nextBlock / Math.max(1, conversion.blocks);
    work.emit({
      type: 'conversion-progress',
      table: conversion.name,
      phase: 'copying',
      done: conversion.nextBlock,
      total: conversion.blocks,
      rows: conversion.rowsCopied,
      rowsPerSecond: Math.round(perSecond),
      secondsLeft:
        perSecond === 0 ? null : Math.round(((1 - share) * conversion.rowsCopied) / Math.max(share, 1e-9) / perSecond),
      backlog: await backlogOf(work, conversion),
      worstLockMs: conversion.worstLockMs,
    });
    if (work.duty < 1) await work.sleep((tookMs * (1 - work.duty)) / work.duty);
  }
  const moved = await work.session.rows(moveOn(work.toolSchema, conversion, sql`phase = 'indexing'`));
  if (moved.length === 0) throw lostTrack(conversion);
  return readConversion(work.session, work.toolSchema, conversion.id);
}

/** The number of rows, or null where the row of the conversion or the table's file is not what it was. */
async function copyBatch({ session, toolSchema }: Work, conversion: Conversion, to: number): Promise<number | null> {
  const { spec, nextBlock, sourceOid } = conversion;
  const table = ident(toolSchema, conversionTable);
  const source = nameSql(conversion);
  const target = nameSql({ schema: conversion.schema, name: spec.newName });
  const columns = listOf(spec.columns);
  const isLogged = raw(
    spec.identifier.map((name, index) => `l.${logColumn(index)} OPERATOR(pg_catalog.=) s.${name}`).join(' AND '),
  );
  try {
    const claimed = await session.rows(sql`${raw(ownBegin())}; SET LOCAL enable_indexscan = on;
LOCK TABLE ONLY ${raw(source)} IN ACCESS SHARE MODE;
UPDATE ${table} SET next_block = ${to} WHERE id = ${conversion.id} AND phase = 'copying' AND next_block = ${nextBlock}
  AND filenode = pg_catalog.pg_relation_filenode(${sourceOid}::pg_catalog.oid::pg_catalog.regclass)::pg_catalog.int8 RETURNING id`);
    if (claimed.length === 0) {
      await session.run('ROLLBACK');
      return null;
    }
    // The server counts for nothing what it tells in its command tag; by RETURNING that takes a seventh of the copy (measured).
    const rows = await session.written(sql`INSERT INTO ${raw(target)} (${columns}) OVERRIDING SYSTEM VALUE
  SELECT ${columns} FROM ONLY ${raw(source)} AS s
  WHERE s.ctid >= ${`(${nextBlock},0)`}::pg_catalog.tid AND s.ctid < ${`(${to},0)`}::pg_catalog.tid
    AND NOT EXISTS (SELECT FROM ${raw(partsOf(toolSchema, conversion.id).log)} AS l WHERE ${isLogged})`);
    await session.rows(sql`UPDATE ${table} SET rows_copied = rows_copied + ${rows},
  copy_ms = copy_ms + (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - pg_catalog.transaction_timestamp()) OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)
WHERE id = ${conversion.id}; COMMIT`);
    return rows;
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    throw error;
  }
}

async function afterRefusal(work: Work, known: Conversion): Promise<Conversion> {
  const now = await readConversion(work.session, work.toolSchema, known.id);
  if (now.phase !== 'copying' || now.nextBlock !== known.nextBlock) throw lostTrack(known);
  return copyAnew(work, now);
}
