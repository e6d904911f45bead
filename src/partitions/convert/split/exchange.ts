import { PulseError } from '../../../errors.ts';
import { ident, sql } from '../../../postgres/sql.ts';
import type { TableName } from '../../catalog.ts';
import { typedName } from '../../shown-name.ts';
import { dropCapture } from '../capture.ts';
import { type Conversion, moveOn, readConversion } from '../conversion.ts';
import type { Work } from '../deps.ts';
import { locksOf } from '../exchange.ts';
import { lostTrack } from '../failures.ts';
import { backlogOf, catchUp, mostUnderLock, replayRest } from '../replay.ts';
import { nameSql } from '../source-facts.ts';
import { assertCaptured } from '../still-captured.ts';
import { structureOf } from '../structure.ts';
import { NotYet, ownBegin, underLock } from '../under-lock.ts';
import { rangeCheck, type SplitSpec } from './spec.ts';
import { readSplittable } from './splittable.ts';

/**
 * Has the server know that the DEFAULT partition holds no row of the range, which it would look for once for each new
 * partition: what it holds now cannot lie there, and the CHECK is validated beside readers and writers.
 */
export async function closeDefault(work: Work, conversion: Conversion, { apart }: SplitSpec): Promise<void> {
  if (apart === null) return;
  const { session } = work;
  const check = defaultCheck(conversion);
  const table = nameSql(apart.table);
  const [there] = await session.rows<{
    valid: boolean;
  }>(sql`SELECT k.convalidated AS valid FROM pg_catalog.pg_constraint AS k
WHERE k.conrelid = pg_catalog.to_regclass(${table})::pg_catalog.oid AND k.conname = ${check}`);
  if (there === undefined) {
    const locks = () => `LOCK TABLE ONLY ${table} IN ACCESS EXCLUSIVE MODE`;
    await underLock(work, conversion, 'the CHECK of the DEFAULT partition', locks, () =>
      session.run(`ALTER TABLE ${table} ADD CONSTRAINT ${check} CHECK (${apart.condition}) NOT VALID`),
    );
  }
  if (there?.valid === true) return;
  await session.run(`${ownBegin()}; ALTER TABLE ${table} VALIDATE CONSTRAINT ${check}; COMMIT`);
}

/** Takes that CHECK away again; to be run under a lock on the DEFAULT partition. */
export function openDefault(conversion: Conversion, { apart }: SplitSpec): readonly string[] {
  return apart === null
    ? []
    : [`ALTER TABLE IF EXISTS ${nameSql(apart.table)} DROP CONSTRAINT IF EXISTS ${defaultCheck(conversion)}`];
}

/** One for each split: two partitions of a table may be cut at the same time. */
const defaultCheck = ({ id }: Conversion) => `${rangeCheck}_${id}`;

/**
 * The smaller partitions take the place of the one in one transaction, with the last changes, in which none of their
 * rows is read: the server's own count of scans says so, or everything is taken back. All at once, since there is no
 * moment at which a part of the rows could be in both places or in none.
 * @throws {PulseError} `not-possible` where the partition or its table is not what it was when the split began.
 */
export async function exchangePieces(work: Work, conversion: Conversion, split: SplitSpec): Promise<Conversion> {
  const { session, toolSchema } = work;
  const locks = (attempt: number) => locksOf(conversion, [nameSql(split.parent)], attempt);
  await underLock(
    work,
    conversion,
    'the exchange of the partitions',
    locks,
    async () => {
      await assertUnchanged(work, conversion, split);
      await assertCaptured(work, conversion);
      const left = await backlogOf(work, conversion);
      if (left > mostUnderLock) throw new NotYet(`${left} changes came in meanwhile`);
      await replayRest(work, conversion, 'forward');
      const before = await scansOf(work, conversion, split);
      await session.run(exchange(conversion, split, await siblingsOf(work, conversion, split)).join(';\n'));
      if ((await scansOf(work, conversion, split)) !== before) throw wouldScan(conversion);
      const moved = await session.rows(
        moveOn(toolSchema, conversion, sql`phase = 'swapped', swapped_at = pg_catalog.clock_timestamp()`),
      );
      if (moved.length === 0) throw lostTrack(conversion);
    },
    () => catchUp(work, conversion, 'forward'),
  );
  return readConversion(session, toolSchema, conversion.id);
}

function exchange(conversion: Conversion, split: SplitSpec, siblings: readonly TableName[]): readonly string[] {
  const { schema, spec } = conversion;
  const source = nameSql(conversion);
  const old = nameSql({ schema, name: spec.oldName });
  const [parent, staging] = [nameSql(split.parent), nameSql({ schema, name: spec.newName })];
  const isOfParent = ({ name }: { readonly name: string }) => split.parentKeys.includes(name);
  const parentKeys = spec.foreignKeys.filter(isOfParent);
  const ownKeys = spec.foreignKeys.filter((key) => !isOfParent(key));
  const add = (table: TableName, { name, definition }: (typeof spec.foreignKeys)[number]) =>
    `ALTER TABLE ${nameSql(table)} ADD CONSTRAINT ${ident(name).text} ${definition} NOT VALID`;
  return [
    dropCapture(source),
    // With ATTACH the server would look up every row of a partition whose key is not validated yet. So each partition has
    // its own until they are, and no moment passes in which one is without.
    ...parentKeys.map(({ name }) => `ALTER TABLE ${parent} DROP CONSTRAINT ${ident(name).text}`),
    ...ownKeys.map(({ name }) => `ALTER TABLE ${source} DROP CONSTRAINT ${ident(name).text}`),
    `ALTER TABLE ${parent} DETACH PARTITION ${source}`,
    ...spec.publications.map((name) => `ALTER PUBLICATION ${ident(name).text} DROP TABLE ${source}`),
    // Who names it and not the table must not write to what is dropped some day.
    `ALTER TABLE ${source} RENAME TO ${ident(spec.oldName).text}`,
    `ALTER TABLE ${old} DISABLE TRIGGER USER`,
    ...spec.leaves.flatMap((leaf, at) => [
      `ALTER TABLE ${staging} DETACH PARTITION ${nameSql(leaf)}`,
      `ALTER TABLE ${parent} ATTACH PARTITION ${nameSql(leaf)} ${split.bounds[at]}`,
      `ALTER TABLE ${nameSql(leaf)} DROP CONSTRAINT ${rangeCheck}`,
    ]),
    ...split.late,
    ...[...siblings, ...spec.leaves].flatMap((leaf) => parentKeys.map((key) => add(leaf, key))),
    ...spec.leaves.flatMap((leaf) => ownKeys.map((key) => add(leaf, key))),
    ...openDefault(conversion, split),
    `DROP TABLE ${staging}`,
  ];
}

/** The other partitions as they are now. */
async function siblingsOf({ session }: Work, { sourceOid }: Conversion, { parent }: SplitSpec): Promise<TableName[]> {
  return session.rows<{ schema: string; name: string }>(sql`SELECT n.nspname AS schema, c.relname AS name
FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE i.inhparent = ${parent.oid}::pg_catalog.oid AND c.oid <> ${sourceOid}::pg_catalog.oid ORDER BY c.relname`);
}

async function assertUnchanged({ session, toolSchema }: Work, conversion: Conversion, split: SplitSpec): Promise<void> {
  const { spec, sourceOid } = conversion;
  const unique = spec.unique === 'per-leaf' ? 'per-leaf' : null;
  const { facts, parent, bound } = await readSplittable(session, toolSchema, sourceOid, { unique });
  const isSame =
    structureOf(facts) === spec.structure &&
    nameSql(facts) === nameSql(conversion) &&
    bound === split.bound &&
    parent.oid === split.parent.oid &&
    structureOf(parent) === split.parentStructure;
  if (isSame) return;
  throw new PulseError('not-possible', `${conversion.name} or its table was altered since the split began`, {
    hint: `both are untouched; begin anew: pulse-migrate partition abort ${typedName(conversion)}, then split`,
  });
}

/** How often the new partitions and the DEFAULT one were scanned in this transaction. */
async function scansOf({ session }: Work, { spec }: Conversion, { apart }: SplitSpec): Promise<number> {
  const tables = [...spec.leaves, ...(apart === null ? [] : [apart.table])].map(nameSql);
  const [row] = await session.rows<{ scans: number }>(
    sql`SELECT pg_catalog.sum(pg_catalog.pg_stat_get_xact_numscans(pg_catalog.to_regclass(t.name)::pg_catalog.oid))::pg_catalog.float8 AS scans
FROM pg_catalog.unnest(${tables}) AS t(name)`,
  );
  return row?.scans ?? 0;
}

function wouldScan(conversion: Conversion): PulseError {
  return new PulseError(
    'not-possible',
    `${conversion.name}: the server would read whole partitions under the lock of the exchange, which was taken back`,
    {
      hint: `the table is as it was; give the split up and report this: pulse-migrate partition abort ${typedName(conversion)}`,
    },
  );
}
