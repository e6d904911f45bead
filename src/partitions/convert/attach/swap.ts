import { PulseError } from '../../../errors.ts';
import { ident, sql } from '../../../postgres/sql.ts';
import { typedName } from '../../shown-name.ts';
import { type Conversion, moveOn, readConversion } from '../conversion.ts';
import type { Work } from '../deps.ts';
import { dependentsAgain, locksOf, ontoPartitions, publicationsAgain, renames } from '../exchange.ts';
import { lostTrack } from '../failures.ts';
import { inboundOnto, inboundTables, withoutInbound } from '../inbound.ts';
import { nameSql, type SourceFacts } from '../source-facts.ts';
import { unchangedFacts } from '../unchanged.ts';
import { underLock } from '../under-lock.ts';
import { dropCutover } from './cutover-check.ts';
import { type AttachKey, type AttachSpec, withoutOwn } from './spec.ts';

/**
 * The partitioned table takes the name, and the table becomes its first partition, in one transaction in which no row is
 * read: the server's own count of scans says so, or everything is taken back.
 * @throws {PulseError} `not-possible` where the table is not what it was when the conversion began, or where the server
 * would have to look at its rows.
 */
export async function swapByAttach(work: Work, conversion: Conversion, attach: AttachSpec): Promise<Conversion> {
  const { session, toolSchema } = work;
  const locks = (attempt: number) => locksOf(conversion, [nameSql(conversion), ...inboundTables(conversion)], attempt);
  await underLock(work, conversion, 'the exchange of the tables', locks, async () => {
    const facts = await unchangedFacts(work, conversion, (read) => withoutOwn(read, attach));
    const before = await lookedAt(work, conversion);
    await session.run(exchange(conversion, attach, facts).join(';\n'));
    const after = await lookedAt(work, conversion);
    const built = after.indexes.filter((oid) => !before.indexes.includes(oid));
    if (after.scans !== before.scans || built.length > 0) throw wouldScan(conversion);
    const moved = await session.rows(
      moveOn(toolSchema, conversion, sql`phase = 'swapped', swapped_at = pg_catalog.clock_timestamp()`),
    );
    if (moved.length === 0) throw lostTrack(conversion);
  }).catch((error: unknown) => {
    if (!(error instanceof PulseError && error.code === 'lock-not-obtained')) throw error;
    throw error.withResult(error.result, [
      ...error.now,
      `${conversion.name} takes no row at or behind ${attach.cutover} until the conversion has gone on or is given up`,
    ]);
  });
  return readConversion(session, toolSchema, conversion.id);
}

function exchange(conversion: Conversion, attach: AttachSpec, facts: SourceFacts): readonly string[] {
  const { schema, name, spec } = conversion;
  const live = nameSql({ schema, name });
  const history = nameSql({ schema, name: spec.oldName });
  return [
    // They go to the partitioned table, which gives a partition those FOR EACH ROW.
    ...withoutInbound(conversion),
    ...facts.triggers.map((trigger) => `DROP TRIGGER ${ident(trigger.name).text} ON ${live}`),
    ...renames(conversion, 'forward'),
    // Before a key goes that a view may rely on.
    ...dependentsAgain(facts),
    ...attach.keys.flatMap((key) => widened(history, key)),
    // From 17 on a partition with an identity of its own cannot be attached; the partitioned table has it, and goes on counting.
    ...spec.identities.map(({ column }) => `ALTER TABLE ${history} ALTER COLUMN ${ident(column).text} DROP IDENTITY`),
    ...spec.foreignKeys.map((key) => `ALTER TABLE ${live} ADD CONSTRAINT ${ident(key.name).text} ${key.definition}`),
    ...ontoPartitions(facts, live),
    `ALTER TABLE ${live} ATTACH PARTITION ${history} FOR VALUES FROM (MINVALUE) TO (${boundOf(attach)})`,
    dropCutover(history, attach),
    ...inboundOnto(conversion, 'forward'),
    ...publicationsAgain(conversion, spec.oldName),
  ];
}

/** The index that was built for it becomes the key. A primary key has to leave its place, another one stays beside it. */
function widened(history: string, { oldName, constraint, timing, wide }: AttachKey): readonly string[] {
  if (constraint === null) return [];
  const [index, kind] = [ident(wide.name).text, constraint === 'p' ? 'PRIMARY KEY' : 'UNIQUE'];
  return [
    ...(constraint === 'p' ? [`ALTER TABLE ${history} DROP CONSTRAINT ${ident(oldName).text}`] : []),
    `ALTER TABLE ${history} ADD CONSTRAINT ${index} ${kind} USING INDEX ${index}${timing}`,
  ];
}

/** In UTC, as every time in our transactions. */
function boundOf({ cutover }: AttachSpec): string {
  return sql`${cutover}`.text;
}

interface LookedAt {
  readonly scans: number;
  readonly indexes: readonly number[];
}

/** How often the table was scanned in this transaction, for an index too, and the indexes it has. */
async function lookedAt({ session }: Work, { sourceOid }: Conversion): Promise<LookedAt> {
  const [row] = await session.rows<LookedAt>(
    sql`SELECT pg_catalog.pg_stat_get_xact_numscans(${sourceOid}::pg_catalog.oid)::pg_catalog.float8 AS scans,
  COALESCE((SELECT pg_catalog.json_agg(x.indexrelid::pg_catalog.int8) FROM pg_catalog.pg_index AS x
    WHERE x.indrelid = ${sourceOid}::pg_catalog.oid), '[]') AS indexes`,
  );
  return row ?? { scans: 0, indexes: [] };
}

function wouldScan(conversion: Conversion): PulseError {
  const { name } = conversion;
  return new PulseError(
    'not-possible',
    `${name}: the server would read the whole table under the lock of the exchange, which was taken back`,
    {
      hint: `the table is as it was; give the conversion up and report this: pulse-migrate partition abort ${typedName(conversion)}; or take --strategy copy`,
    },
  );
}
