import { PulseError } from '../../errors.ts';
import { ident, sql } from '../../postgres/sql.ts';
import type { TableName } from '../catalog.ts';
import { typedName } from '../shown-name.ts';
import { triggerName } from './capture.ts';
import { type Conversion, moveOn, partsOf, readConversion } from './conversion.ts';
import type { Work } from './deps.ts';
import { dependentsAgain, locksOf, publicationsAgain, renames } from './exchange.ts';
import { explainMisfit, lostTrack } from './failures.ts';
import { assertNoneAdded, inboundAgain, inboundTables } from './inbound.ts';
import { backlogOf, catchUp, replayRest } from './replay.ts';
import { nameSql, readSourceFacts } from './source-facts.ts';
import { assertWayBackCaptured } from './still-captured.ts';
import { NotYet, underLock } from './under-lock.ts';

/** Fewer than on the way there: each is looked for in every partition. */
const mostUnderLock = 500;

/**
 * The old table takes its place again, with everything that was written since the swap.
 * @throws {PulseError} `not-possible` where a partition is gone, whose rows would come back, or where new rows break a
 * unique key that the old table has; nothing is changed then.
 */
export async function rollBack(work: Work, conversion: Conversion): Promise<Conversion> {
  const { session, toolSchema } = work;
  const { schema, spec } = conversion;
  await assertAllThere(work, conversion);
  const old = nameSql({ schema, name: spec.oldName });
  try {
    await underLock(
      work,
      conversion,
      'the exchange of the tables back',
      (attempt) => locksOf(conversion, [nameSql(conversion), old, ...inboundTables(conversion)], attempt),
      async () => {
        await assertAllThere(work, conversion);
        await assertNothingAdded(work, conversion);
        await assertNoneAdded(work, conversion);
        await assertWayBackCaptured(work, conversion);
        const left = await backlogOf(work, conversion, 'back');
        if (left > mostUnderLock) throw new NotYet(`${left} changes came in meanwhile`);
        await replayRest(work, conversion, 'back');
        await session.run((await exchangeBack(work, conversion)).join(';\n'));
        const moved = await session.rows(moveOn(toolSchema, conversion, sql`phase = 'rolled-back'`));
        if (moved.length === 0) throw lostTrack(conversion);
      },
      () => catchUp(work, conversion, 'back'),
    );
  } catch (error) {
    throw explainMisfit(error, conversion);
  }
  return readConversion(session, toolSchema, conversion.id);
}

async function exchangeBack(work: Work, conversion: Conversion): Promise<readonly string[]> {
  const { session, toolSchema } = work;
  const { schema, name, spec } = conversion;
  const facts = await readSourceFacts(session, conversion.targetOid, toolSchema);
  const live = nameSql({ schema, name });
  return [
    ...(await dropReverse(work, conversion)),
    ...renames(conversion, 'back'),
    `ALTER TABLE ${live} ENABLE TRIGGER USER`,
    ...spec.foreignKeys.map(
      (key) => `ALTER TABLE ${live} ADD CONSTRAINT ${ident(key.name).text} ${key.definition} NOT VALID`,
    ),
    ...dependentsAgain(facts ?? { dependents: [] }),
    ...inboundAgain(conversion, 'back'),
    ...publicationsAgain(conversion, spec.newName),
  ];
}

/**
 * What ends the capture for the way back; to be run under a lock on the live table. A partition that was made since has
 * the guard of the one before, and one that was detached has kept it.
 */
export async function dropReverse({ session, toolSchema }: Work, conversion: Conversion): Promise<readonly string[]> {
  const { guard } = partsOf(toolSchema, conversion.id);
  const guarded = await session.rows<TableName>(sql`SELECT n.nspname AS schema, c.relname AS name
FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE t.tgfoid = pg_catalog.to_regprocedure(${`${guard}()`})::pg_catalog.oid ORDER BY c.oid`);
  return [
    `DROP TRIGGER IF EXISTS ${triggerName('reverse')} ON ${nameSql(conversion)}`,
    ...guarded.map((table) => `DROP TRIGGER ${triggerName('guard')} ON ${nameSql(table)}`),
  ];
}

/** What was written to a column that the old table has not would be lost. */
async function assertNothingAdded({ session }: Work, conversion: Conversion): Promise<void> {
  const { name, sourceOid, targetOid } = conversion;
  const added = await session.rows<{
    name: string;
  }>(sql`SELECT a.attname::pg_catalog.text AS name FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = ${targetOid}::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS o
    WHERE o.attrelid = ${sourceOid}::pg_catalog.oid AND o.attnum > 0 AND NOT o.attisdropped AND o.attname = a.attname)`);
  if (added.length === 0) return;
  const names = added.map((column) => column.name).join(', ');
  throw new PulseError(
    'not-possible',
    `${name} got the column ${names} since the exchange, which would be lost with all its values`,
    {
      hint: `drop it first, if that is meant; or keep the partitions: pulse-migrate partition finish ${typedName(conversion)} --i-know`,
    },
  );
}

/** A partition that was detached or dropped took its rows along, of which the log says nothing. */
async function assertAllThere({ session }: Work, { name, spec, targetOid }: Conversion): Promise<void> {
  const there = await session.rows<
    TableName & { oid: number }
  >(sql`SELECT c.oid::pg_catalog.int8::pg_catalog.float8 AS oid,
  n.nspname AS schema, c.relname AS name FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE i.inhparent = ${targetOid}::pg_catalog.oid`);
  const gone =
    spec.exchanged?.filter(({ oid }) => !there.some((partition) => partition.oid === oid)) ??
    spec.leaves.filter((leaf) => !there.some((partition) => nameSql(partition) === nameSql(leaf)));
  if (gone.length === 0) return;
  throw new PulseError(
    'not-possible',
    `${name}: the partition ${gone.map((leaf) => leaf.name).join(', ')} is not part of it any more, and its rows would come back`,
    { hint: 'attach it again, then run the command again' },
  );
}
