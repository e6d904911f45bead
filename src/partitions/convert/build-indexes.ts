import { ident, raw, sql } from '../../postgres/sql.ts';
import { type Conversion, conversionTable, moveOn, readConversion } from './conversion.ts';
import type { Work } from './deps.ts';
import { lostTrack } from './failures.ts';
import { fillRegistry } from './registry.ts';
import { nameSql } from './source-facts.ts';
import { ownBegin } from './under-lock.ts';

/** Builds the indexes and keys of the new table, which is full by now: measured 3.5 times faster than to copy into them. */
export async function buildIndexes(work: Work, begun: Conversion): Promise<Conversion> {
  const { session, toolSchema } = work;
  const table = ident(toolSchema, conversionTable);
  const { newName, leaves } = begun.spec;
  const target = nameSql({ schema: begun.schema, name: newName });
  const steps = [
    ...begun.spec.indexes.map((index) => index.sql),
    ...(begun.spec.registries ?? []).map((registry) => fillRegistry(target, leaves.map(nameSql), registry)),
  ];
  for (let built = begun.indexesBuilt; built < steps.length; built += 1) {
    work.signal.throwIfAborted();
    work.emit({
      type: 'conversion-progress',
      table: begun.name,
      phase: 'indexing',
      done: built,
      total: steps.length,
      rows: begun.rowsCopied,
      rowsPerSecond: 0,
      secondsLeft: null,
      backlog: 0,
      worstLockMs: begun.worstLockMs,
    });
    try {
      const claimed = await session.rows(sql`${raw(ownBegin())};
UPDATE ${table} SET indexes_built = ${built + 1} WHERE id = ${begun.id} AND phase = 'indexing' AND indexes_built = ${built} RETURNING id`);
      if (claimed.length === 0) throw lostTrack(begun);
      await session.run(steps[built] ?? '');
      await session.run('COMMIT');
    } catch (error) {
      await session.run('ROLLBACK').catch(() => {});
      throw error;
    }
  }
  // Autovacuum never analyzes a partitioned table itself.
  await session.run(`${ownBegin()}; ANALYZE ${target}; COMMIT`);
  const moved = await session.rows(moveOn(toolSchema, begun, sql`phase = 'replaying'`));
  if (moved.length === 0) throw lostTrack(begun);
  return readConversion(session, toolSchema, begun.id);
}
