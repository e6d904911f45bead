import { ident, sql } from '../../../postgres/sql.ts';
import { dropKeys } from '../clear-away.ts';
import { type Conversion, conversionTable, moveOn, readConversion } from '../conversion.ts';
import type { Work } from '../deps.ts';
import { lostTrack } from '../failures.ts';
import { validateInbound } from '../inbound.ts';
import { nameSql, sourceNow } from '../source-facts.ts';
import { ownBegin, underLock } from '../under-lock.ts';
import { dropCutover } from './cutover-check.ts';
import { dropExtraIndexes, extraIndexes } from './extra-indexes.ts';
import type { AttachSpec } from './spec.ts';

/** The table takes every row again; what was built besides is dropped next. */
export async function abandonAttach(work: Work, conversion: Conversion, attach: AttachSpec): Promise<Conversion> {
  // Where somebody has dropped it meanwhile, there is nothing to be taken off.
  const table = await sourceNow(work.session, conversion);
  return ending(work, conversion, 'aborted', table, table === null ? [] : [dropCutover(table, attach)]);
}

/**
 * Gives up the way back. With `widen` the keys that the table had go; with `per-leaf` they stay, each within what is a
 * partition now.
 */
export async function giveUpKeys(work: Work, conversion: Conversion, attach: AttachSpec): Promise<Conversion> {
  const history = nameSql({ schema: conversion.schema, name: conversion.spec.oldName });
  const drops = keysThatGo(conversion, attach)
    .filter(({ constraint }) => constraint === 'u')
    .map(({ oldName }) => `ALTER TABLE ${history} DROP CONSTRAINT IF EXISTS ${ident(oldName).text}`);
  return ending(work, conversion, 'finishing', history, drops);
}

async function ending(
  work: Work,
  conversion: Conversion,
  phase: 'aborted' | 'finishing',
  table: string | null,
  drops: readonly string[],
): Promise<Conversion> {
  const { session, toolSchema } = work;
  const locks = () => (table === null ? 'SELECT' : `LOCK TABLE ONLY ${table} IN ACCESS EXCLUSIVE MODE`);
  await underLock(work, conversion, 'ending the conversion', locks, async () => {
    await session.run([...drops, 'SELECT'].join(';\n'));
    const moved = await session.rows(moveOn(toolSchema, conversion, sql`phase = ${phase}`));
    if (moved.length === 0) throw lostTrack(conversion);
  });
  return readConversion(session, toolSchema, conversion.id);
}

/** Drops what is not needed any more, and no row with it: the conversion is over then. */
export async function clearAwayAttach(work: Work, conversion: Conversion, attach: AttachSpec): Promise<Conversion> {
  const { session, toolSchema } = work;
  const { schema, spec, phase, id } = conversion;
  const isFinish = phase === 'finishing';
  if (phase === 'rolled-back') {
    await validateInbound(work, conversion);
    await dropKeys(work, conversion);
  }
  if (phase === 'aborted') await dropExtraIndexes(work, conversion, extraIndexes(conversion));
  if (isFinish) await dropExtraIndexes(work, conversion, keptIndexes(conversion, attach));
  const spare = isFinish ? 'SELECT' : `DROP TABLE IF EXISTS ${nameSql({ schema, name: spec.newName })}`;
  try {
    await session.run(
      `${ownBegin()}; ${spare}; UPDATE ${ident(toolSchema, conversionTable).text} SET ended_at = pg_catalog.clock_timestamp()${isFinish ? ", phase = 'finished'" : ''} WHERE id = ${id}; COMMIT`,
    );
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    throw error;
  }
  return readConversion(session, toolSchema, id);
}

function keysThatGo({ spec }: Conversion, { keys }: AttachSpec): AttachSpec['keys'] {
  return spec.unique === 'per-leaf' ? [] : keys;
}

/** Those of them that are indexes and no constraints. */
function keptIndexes(conversion: Conversion, attach: AttachSpec) {
  return keysThatGo(conversion, attach).flatMap(({ oldName, constraint, kept }) =>
    kept !== null ? [kept] : constraint === null ? [{ name: oldName, using: '' }] : [],
  );
}
