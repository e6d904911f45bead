import { PulseError } from '../errors.ts';
import type { ProgressEvent } from '../events.ts';
import { type Instant, instantOf, isoOf } from '../partitions/calendar.ts';
import { oidsOf, type PartitionedTable, readPartitionedTables, type TableName } from '../partitions/catalog.ts';
import { isTyped, typedName } from '../partitions/shown-name.ts';
import { explainOwnStatement } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { sql } from '../postgres/sql.ts';
import {
  type ArchiveDeps,
  type ArchiveRequest,
  another,
  beginArchive,
  type Candidate,
  standing,
  writeArchive,
} from './archive.ts';
import { type Archive, forgetArchive, readArchives } from './manifest.ts';
import type { Store } from './store.ts';
import { assertFits } from './unfit-values.ts';

/** Which partitions, and what is done with them. */
export interface ArchiveOrder extends ArchiveRequest {
  /** As typed. */
  readonly table: string;
  /** By name as typed; none means all that end by `before`. */
  readonly names: readonly string[];
  readonly before: Instant | null;
  /** Asked before anything is written or detached. Throws what refuses it. */
  readonly confirm: (parent: TableName, partitions: readonly TableName[]) => void;
  /** Takes a partition out of its table without keeping anybody waiting. */
  readonly detach: (parent: TableName, partition: TableName) => Promise<void>;
}

/** What was archived of one partition. */
export interface ArchivedPartition extends TableName {
  readonly from: string | null;
  readonly to: string | null;
  readonly rows: number;
  /** Of the object, bytes. */
  readonly bytes: number;
  readonly object: string;
  readonly sha256: string;
  readonly dropped: boolean;
}

/**
 * Archives partitions one after another, each for itself. With `drop` each is detached first; one that an earlier run
 * has detached and then not finished is gone on with.
 * @throws {PulseError} `not-possible`, `archive-failed`; `result.archived` says what was done before.
 */
export async function archivePartitions(deps: ArchiveDeps, order: ArchiveOrder): Promise<readonly ArchivedPartition[]> {
  const { session } = deps;
  const parent = await parentOf(session, order.table);
  return alone(session, parent, () => archiveAll(deps, parent, order));
}

/** The class of our advisory locks; arbitrary. */
const lockClass = 587_110_325;
/** Each 0.2 s: the backend of a client that was killed lives until it notices. */
const triesForLock = 50;

/** Two runs on one table would take each other's unfinished archives for those of a run that was killed. */
async function alone<Result>(
  session: Session,
  { oid, name }: PartitionedTable,
  work: () => Promise<Result>,
): Promise<Result> {
  if (session.pooled) {
    throw new PulseError(
      'pooler-refused',
      'an archive holds its place by a lock of its session, which a pooler would give to others',
      {
        hint: 'connect to the server itself',
      },
    );
  }
  const lock = sql`${lockClass}, ${oid % 2_147_483_647}`;
  for (let tries = 1; ; tries += 1) {
    const [row] = await session.rows<{ mine: boolean }>(sql`SELECT pg_catalog.pg_try_advisory_lock(${lock}) AS mine`);
    if (row?.mine === true) break;
    if (tries === triesForLock) {
      throw new PulseError('lock-not-obtained', `another run is archiving partitions of ${name}`, {
        hint: 'wait for it, then run the command again',
      });
    }
    await session.rows(sql`SELECT pg_catalog.pg_sleep(0.2)`);
  }
  try {
    return await work();
  } finally {
    await session.rows(sql`SELECT pg_catalog.pg_advisory_unlock(${lock})`).catch(() => {});
  }
}

async function archiveAll(
  deps: ArchiveDeps,
  parent: PartitionedTable,
  order: ArchiveOrder,
): Promise<readonly ArchivedPartition[]> {
  const { session } = deps;
  const archives = await forgetUnfinished(session, order, parent);
  const { left, replaced } = await detachedBefore(session, archives);
  const isWanted = ({ partition, to }: Pick<Candidate, 'partition' | 'to'>) =>
    order.before === null ? isAnyOf(order.names, partition) : to !== null && instantOf(new Date(to)) <= order.before;
  const again = left.filter(isWanted);
  if (order.before !== null) {
    for (const { partition } of replaced.filter(isWanted)) deps.emit(notTheOne(partition));
  }
  if (!order.drop) for (const { partition } of again) deps.emit(leftAlone(parent, partition));
  const candidates = [...(order.drop ? again : []), ...chosen(parent, order, { left, replaced })];
  if (order.drop && candidates.length > 0)
    order.confirm(
      parent,
      candidates.map(({ partition }) => partition),
    );
  const done: ArchivedPartition[] = [];
  for (const candidate of candidates) {
    const earlier = order.drop ? undefined : archives.findLast((archive) => isArchiveOf(archive, candidate));
    if (earlier !== undefined) deps.emit(archivedBefore(earlier));
    try {
      done.push(await archiveOne(deps, parent, candidate, order));
    } catch (error) {
      const explained = explainOwnStatement(error, `archiving ${candidate.partition.name}`);
      if (!(explained instanceof PulseError)) throw explained;
      throw explained.withResult({ archived: done }, [...explained.now, ...(await standsAlone(session, candidate))]);
    }
  }
  return done;
}

/**
 * Before a partition leaves its table, and its rows the sight of clients, for a storage that nobody can write to. Under
 * the name of its archive, which the manifest knows: what a kill leaves behind is found there.
 */
async function assertWritable(store: Store, object: string): Promise<void> {
  async function* little(): AsyncGenerator<Buffer> {
    yield Buffer.from('pulse-migrate looks whether it can write here\n');
  }
  await store.put(object, little());
  await store.remove(object);
}

/** What is worth knowing of a partition that was detached and not dropped. */
async function standsAlone(session: Session, { partition }: Candidate): Promise<readonly string[]> {
  const there = await standing(session, partition).catch(() => null);
  if (there === null || there.attached) return [];
  return [
    `${partition.name} is detached, and stands with all its rows as a table of its own; the same command goes on with it`,
  ];
}

async function archiveOne(
  deps: ArchiveDeps,
  parent: PartitionedTable,
  candidate: Candidate,
  order: ArchiveOrder,
): Promise<ArchivedPartition> {
  const { session } = deps;
  const { partition, from, to } = candidate;
  // Before it leaves its table for an archive that cannot be made.
  await assertFits(session, partition, order.format);
  const there = await standing(session, partition);
  if (there === null) throw new PulseError('not-possible', `${partition.name} was dropped meanwhile`);
  if (there.oid !== candidate.oid) throw another(partition);
  const entry = await beginArchive(deps, candidate, order);
  const begun = async () => (await readArchives(session, order.schema)).find((one) => one.entry === entry);
  if (order.drop && there.attached) {
    try {
      await assertWritable(order.store, (await begun())?.object ?? entry);
      await order.detach(parent, partition);
    } catch (error) {
      const still = await standing(session, partition);
      if (still?.attached === true && !still.detaching) await session.rows(forgetArchive(order.schema, entry));
      throw error;
    }
  }
  const archive = await begun();
  if (archive === undefined) throw new PulseError('not-possible', `the manifest lost the row of ${partition.name}`);
  const { rows, stored } = await writeArchive(deps, archive, order);
  const { object } = archive;
  await forgetUnfinished(session, order, parent);
  return { ...partition, from, to, rows, bytes: stored.bytes, sha256: stored.sha256, object, dropped: order.drop };
}

/** What runs that were killed have left of partitions that were archived after all. */
async function forgetUnfinished(
  session: Session,
  { schema, store, place }: ArchiveOrder,
  parent: TableName,
): Promise<readonly Archive[]> {
  const archives = (await readArchives(session, schema)).filter(({ table }) => isSame(table, parent));
  const kept = archives.filter(
    (archive, at) =>
      archive.written !== null ||
      !archives.slice(at).some((later) => later.written !== null && isOfSameTable(later, archive)),
  );
  for (const archive of archives) {
    if (kept.includes(archive) || archive.place !== place) continue;
    await store.remove(archive.object);
    await session.rows(forgetArchive(schema, archive.entry));
  }
  return kept;
}

async function parentOf(session: Session, name: string): Promise<PartitionedTable> {
  const [table] = await readPartitionedTables(session, await oidsOf(session, [name]));
  if (table !== undefined && !('why' in table)) return table;
  throw new PulseError('not-possible', `the partitions of ${name} cannot be archived: ${table?.why ?? 'it is gone'}`, {
    hint: 'pulse-migrate partition list',
  });
}

function chosen(
  parent: PartitionedTable,
  { names, before, drop }: ArchiveOrder,
  { left, replaced }: DetachedBefore,
): readonly Candidate[] {
  const partitions = parent.partitions.map((partition) => ({ partition, candidate: candidateOf(parent, partition) }));
  for (const name of names) {
    const called = partitions.filter(({ partition }) => isTyped(partition, name));
    if (called.length > 1)
      throw ambiguous(
        name,
        called.map(({ partition }) => partition),
      );
    if (called.length === 1) continue;
    if (left.some(({ partition }) => isTyped(partition, name))) continue;
    const other = replaced.find(({ partition }) => isTyped(partition, name));
    if (other !== undefined) throw another(other.partition);
    throw new PulseError('not-possible', `${parent.name} has no partition ${name}`, {
      hint: `pulse-migrate partition list ${parent.name}`,
    });
  }
  const picked = partitions.filter(({ partition }) =>
    before === null ? isAnyOf(names, partition) : partition.range.to !== null && partition.range.to <= before,
  );
  const open = picked.find(({ candidate }) => candidate.from === null || candidate.to === null);
  if (drop && open !== undefined) {
    throw new PulseError('not-possible', `${open.partition.name} has an open bound, and would not be restored`, {
      hint: 'archive it without --drop, or name the others one by one',
    });
  }
  const other = picked.find(({ partition }) => !partition.isTable);
  if (other === undefined) return picked.map(({ candidate }) => candidate);
  throw new PulseError(
    'not-possible',
    `${other.partition.name} is no plain table: it is partitioned itself, or foreign`,
    {
      hint: 'name the others one by one',
    },
  );
}

export function ambiguous(name: string, those: readonly TableName[]): PulseError {
  return new PulseError('not-possible', `${name} may be ${those.map(typedName).join(' or ')}`, {
    hint: 'name it with its schema',
  });
}

const isAnyOf = (names: readonly string[], partition: TableName) => names.some((name) => isTyped(partition, name));

/** Archived without being dropped it would count as done, and stand outside of its table for good. */
function leftAlone(parent: TableName, { schema, name }: TableName): ProgressEvent {
  return {
    type: 'warning',
    message: `${schema}.${name} was taken out of its table by a run with --drop that did not finish, and is left alone`,
    hint: `finish it: pulse-migrate partition archive ${typedName(parent)} ${typedName({ schema, name })} --to … --drop --i-know; or attach it again by ALTER TABLE … ATTACH PARTITION`,
  };
}

function isArchiveOf({ written, partition, partitionOid }: Archive, candidate: Candidate): boolean {
  return written !== null && isSame(partition, candidate.partition) && partitionOid === candidate.oid;
}

/** Not refused: rows may have changed since, and only the new archive has them as they are. */
function archivedBefore({ partition, archivedAt, place, object }: Archive): ProgressEvent {
  const day = archivedAt.toISOString().slice(0, 16).replace('T', ' ');
  return {
    type: 'warning',
    message: `${partition.schema}.${partition.name} was archived before, on ${day} UTC (${place}${object}), and is archived again`,
    hint: 'both archives stay, each as large as the rows; partition restore takes the newer one. To be done with the partition: --drop',
  };
}

/** Of a table that somebody made under the name of a partition that an unfinished archive is of. */
function notTheOne({ schema, name }: TableName): ProgressEvent {
  return {
    type: 'warning',
    message: `${schema}.${name} has the name of a partition that an earlier run took out of its table, and is another table: it is left alone`,
    hint: 'rename it, and this is not said again; what there is of an archive of the other: pulse-migrate partition archives',
  };
}

function candidateOf(
  parent: PartitionedTable,
  { schema, name, oid, range }: PartitionedTable['partitions'][number],
): Candidate {
  return {
    table: { schema: parent.schema, name: parent.name },
    partition: { schema, name },
    oid,
    from: range.from === null ? null : isoOf(range.from),
    to: range.to === null ? null : isoOf(range.to),
  };
}

/** Of another table of that name it may be all that there is. */
function isOfSameTable(a: Archive, b: Archive): boolean {
  return isSame(a.partition, b.partition) && a.partitionOid === b.partitionOid;
}

function isSame(a: TableName, b: TableName): boolean {
  return a.schema === b.schema && a.name === b.name;
}

/** Partitions of a table that an earlier run took out of it, or began to, and that still stand. Reads only. */
export async function unfinishedPartitions(
  session: Session,
  schema: string,
  is: (table: TableName) => boolean,
): Promise<readonly TableName[]> {
  const archives = (await readArchives(session, schema)).filter(({ table }) => is(table));
  return (await detachedBefore(session, archives)).left.map(({ partition }) => partition);
}

/**
 * Partitions that an earlier run has detached, or begun to, in order to drop them: those that still stand, and those
 * whose name another table has by now.
 */
async function detachedBefore(session: Session, archives: readonly Archive[]): Promise<DetachedBefore> {
  const left = new Map<string, Candidate>();
  const replaced = new Map<string, Pick<Candidate, 'partition' | 'to'>>();
  for (const { table, partition, partitionOid, from, to, written, restoredAt, forDrop } of archives) {
    if (written !== null || restoredAt !== null || !forDrop) continue;
    const there = await standing(session, partition);
    if (there === null || (there.attached && !there.detaching)) continue;
    const { oid } = there;
    const name = `${partition.schema}.${partition.name}`;
    if (oid === partitionOid) left.set(name, { table, partition, oid, from, to });
    else replaced.set(name, { partition, to });
  }
  for (const name of left.keys()) replaced.delete(name);
  return { left: [...left.values()], replaced: [...replaced.values()] };
}

interface DetachedBefore {
  readonly left: readonly Candidate[];
  readonly replaced: ReadonlyArray<Pick<Candidate, 'partition' | 'to'>>;
}
