import { ident, sql } from '../../postgres/sql.ts';
import { dropCapture } from './capture.ts';
import { type Conversion, conversionTable, moveOn, partsOf, readConversion } from './conversion.ts';
import type { Work } from './deps.ts';
import { locksOf } from './exchange.ts';
import { lostTrack } from './failures.ts';
import { validateInbound } from './inbound.ts';
import { dropRegistry } from './registry.ts';
import { dropReverse } from './roll-back.ts';
import { validateKeys } from './settle.ts';
import { nameSql, sourceNow } from './source-facts.ts';
import { openDefault } from './split/exchange.ts';
import { ownBegin, underLock } from './under-lock.ts';

/** Takes the triggers off the table, which goes on as if nothing had been; what was made beside it is dropped next. */
export async function abandon(work: Work, conversion: Conversion): Promise<Conversion> {
  const { session, toolSchema } = work;
  const { spec } = conversion;
  // Where somebody has dropped it meanwhile, or given it another name.
  const source = await sourceNow(session, conversion);
  const statements = [
    ...(source === null ? [] : [dropCapture(source)]),
    ...(spec.split === undefined ? [] : openDefault(conversion, spec.split)),
  ];
  await underLock(
    work,
    conversion,
    'ending the capture of changes',
    () => (source === null ? 'SELECT' : `LOCK TABLE ONLY ${source} IN ACCESS EXCLUSIVE MODE`),
    async () => {
      await session.run(statements.join(';\n') || 'SELECT');
      const moved = await session.rows(moveOn(toolSchema, conversion, sql`phase = 'aborted'`));
      if (moved.length === 0) throw lostTrack(conversion);
    },
  );
  return readConversion(session, toolSchema, conversion.id);
}

/** Gives up the way back: the triggers for it go, and the old table next. */
export async function giveUpOld(work: Work, conversion: Conversion): Promise<Conversion> {
  const { session, toolSchema } = work;
  await underLock(
    work,
    conversion,
    'ending the log for the way back',
    () => `LOCK TABLE ${nameSql(conversion)} IN ACCESS EXCLUSIVE MODE`,
    async () => {
      await session.run((await dropReverse(work, conversion)).join(';\n'));
      const moved = await session.rows(moveOn(toolSchema, conversion, sql`phase = 'finishing'`));
      if (moved.length === 0) throw lostTrack(conversion);
    },
  );
  return readConversion(session, toolSchema, conversion.id);
}

/** Behind a split nothing is logged, and nobody uses what the partition was: it is dropped next. */
export async function giveUpPartition({ session, toolSchema }: Work, conversion: Conversion): Promise<Conversion> {
  const moved = await session.rows(moveOn(toolSchema, conversion, sql`phase = 'finishing'`));
  if (moved.length === 0) throw lostTrack(conversion);
  return readConversion(session, toolSchema, conversion.id);
}

/** Drops the table that is not needed any more and all that the conversion had in the tool's schema: it is over then. */
export async function clearAway(work: Work, conversion: Conversion): Promise<Conversion> {
  const { session, toolSchema } = work;
  const { schema, spec, phase, id } = conversion;
  const parts = partsOf(toolSchema, id);
  const isFinish = phase === 'finishing';
  if (phase === 'rolled-back') {
    await validateKeys(work, conversion, sql`${conversion.sourceOid}::pg_catalog.oid`);
    await validateInbound(work, conversion);
    await dropKeys(work, conversion);
  }
  const spare = nameSql({ schema, name: isFinish ? spec.oldName : spec.newName });
  // No client uses any of it, so nobody waits, however long it takes to delete its files.
  try {
    await session.run(`${ownBegin()}; DROP TABLE IF EXISTS ${spare};
DROP FUNCTION IF EXISTS ${parts.capture}(), ${parts.reverseCapture}(), ${parts.guard}();
DROP TABLE IF EXISTS ${parts.log}, ${parts.reverseLog};
${isFinish ? '' : (spec.registries ?? []).flatMap((registry) => dropRegistry(registry).map((drop) => `${drop};\n`)).join('')}UPDATE ${ident(toolSchema, conversionTable).text} SET ended_at = pg_catalog.clock_timestamp()${isFinish ? ", phase = 'finished'" : ''} WHERE id = ${id};
COMMIT`);
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    throw error;
  }
  return readConversion(session, toolSchema, id);
}

/**
 * Partitions that had been live have foreign keys, and with them triggers on the tables these refer to: those go by
 * themselves, since a lock that lasts until the files of forty partitions are deleted held up clients for 0.6 s.
 */
export async function dropKeys(work: Work, conversion: Conversion): Promise<void> {
  const { session } = work;
  const keys = await session.rows<{
    schema: string;
    table: string;
    name: string;
  }>(sql`SELECT n.nspname AS schema, c.relname AS table, k.conname AS name
FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0::pg_catalog.oid AND (k.conrelid = ${conversion.targetOid}::pg_catalog.oid
  OR k.conrelid IN (SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = ${conversion.targetOid}::pg_catalog.oid))`);
  if (keys.length === 0) return;
  const drops = keys.map(
    ({ schema, table, name }) => `ALTER TABLE ${ident(schema, table).text} DROP CONSTRAINT ${ident(name).text}`,
  );
  const locks = (attempt: number) => locksOf(conversion, [], attempt);
  await underLock(work, conversion, 'taking the foreign keys off the partitions', locks, () =>
    session.run(drops.join(';\n')),
  );
}
