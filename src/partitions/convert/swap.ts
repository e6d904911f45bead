import { ident, sql } from '../../postgres/sql.ts';
import { dropCapture, guardOn, triggerName } from './capture.ts';
import { type Conversion, moveOn, partsOf, readConversion } from './conversion.ts';
import type { Work } from './deps.ts';
import { dependentsAgain, locksOf, ontoPartitions, publicationsAgain, renames } from './exchange.ts';
import { lostTrack } from './failures.ts';
import { inboundAgain, inboundTables } from './inbound.ts';
import { backlogOf, catchUp, mostUnderLock, replayRest } from './replay.ts';
import { nameSql, type SourceFacts } from './source-facts.ts';
import { assertCaptured } from './still-captured.ts';
import { unchangedFacts } from './unchanged.ts';
import { NotYet, ownBegin, underLock } from './under-lock.ts';

/**
 * Puts the triggers for the way back on the new table, which is not live yet: under the locks of the swap they would
 * take longer than all else. Until then they log what the replay writes.
 */
export async function prepareWayBack({ session, toolSchema }: Work, conversion: Conversion): Promise<void> {
  const { schema, spec, targetOid, id } = conversion;
  const parts = partsOf(toolSchema, id);
  const target = nameSql({ schema, name: spec.newName });
  const [there] = await session.rows(sql`SELECT FROM pg_catalog.pg_trigger AS t
WHERE t.tgrelid = ${targetOid}::pg_catalog.oid AND t.tgname = ${triggerName('reverse')}`);
  if (there !== undefined) return;
  const statements = [
    `CREATE TRIGGER ${triggerName('reverse')} AFTER INSERT OR UPDATE OR DELETE ON ${target} FOR EACH ROW EXECUTE FUNCTION ${parts.reverseCapture}()`,
    ...[target, ...spec.leaves.map(nameSql)].flatMap((table) => [
      `ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${triggerName('reverse')}`,
      ...guardOn(table, parts.guard),
    ]),
  ];
  await session.run(`${ownBegin()}; ${statements.join(';\n')}; COMMIT`);
}

/**
 * The new table takes the place of the old one in one transaction, with the last changes: before its COMMIT nothing is
 * changed, behind it everything is. The old table stays, and from here on changes are logged for the way back.
 * @throws {PulseError} `not-possible` where the table is not what it was when the conversion began.
 */
export async function swap(work: Work, conversion: Conversion): Promise<Conversion> {
  const { session, toolSchema } = work;
  const locks = (attempt: number) => locksOf(conversion, [nameSql(conversion), ...inboundTables(conversion)], attempt);
  await underLock(
    work,
    conversion,
    'the exchange of the tables',
    locks,
    async () => {
      const facts = await unchangedFacts(work, conversion);
      await assertCaptured(work, conversion);
      const left = await backlogOf(work, conversion);
      if (left > mostUnderLock) throw new NotYet(`${left} changes came in meanwhile`);
      await replayRest(work, conversion, 'forward');
      await session.run(exchange(work, conversion, facts).join(';\n'));
      const moved = await session.rows(
        moveOn(
          toolSchema,
          conversion,
          sql`phase = 'swapped', swapped_at = pg_catalog.clock_timestamp(), ${leavesNow(conversion)}`,
        ),
      );
      if (moved.length === 0) throw lostTrack(conversion);
    },
    () => catchUp(work, conversion, 'forward'),
  );
  return readConversion(session, toolSchema, conversion.id);
}

const leavesNow = ({
  targetOid,
}: Conversion) => sql`spec = spec OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('exchanged', (SELECT pg_catalog.jsonb_agg(
  pg_catalog.jsonb_build_object('oid', c.oid::pg_catalog.int8, 'schema', n.nspname, 'name', c.relname))
  FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE i.inhparent = ${targetOid}::pg_catalog.oid))`;

function exchange({ toolSchema }: Work, conversion: Conversion, facts: SourceFacts): readonly string[] {
  const { schema, name, spec } = conversion;
  const parts = partsOf(toolSchema, conversion.id);
  const live = nameSql({ schema, name });
  const old = nameSql({ schema, name: spec.oldName });
  return [
    dropCapture(live),
    ...renames(conversion, 'forward'),
    // Rows that the old table keeps must not stand in the way of changes in the tables they refer to.
    ...spec.foreignKeys.map(({ name: key }) => `ALTER TABLE ${old} DROP CONSTRAINT ${ident(key).text}`),
    ...spec.foreignKeys.flatMap((key) =>
      spec.leaves.map(
        (leaf) => `ALTER TABLE ${nameSql(leaf)} ADD CONSTRAINT ${ident(key.name).text} ${key.definition} NOT VALID`,
      ),
    ),
    // The way back must not fire them a second time.
    `ALTER TABLE ${old} DISABLE TRIGGER USER`,
    ...ontoPartitions(facts, live),
    ...dependentsAgain(facts),
    ...inboundAgain(conversion, 'forward'),
    ...publicationsAgain(conversion, spec.oldName),
    // What the replay left in it was no change of a client.
    `TRUNCATE ${parts.reverseLog}`,
  ];
}
