import { type Instant, instantOf } from '../partitions/calendar.ts';
import type { TableName } from '../partitions/catalog.ts';
import { explainOwnStatement } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import type { Sql } from '../postgres/sql.ts';
import { type ArchiveDeps, rollBack } from './archive.ts';
import { type Archive, dropArchive, readArchives } from './manifest.ts';
import type { Store } from './store.ts';

/**
 * Archives of a table whose rows all lie before a time, and whose partition was dropped: one that was made beside a
 * partition that stayed is not counted. Reads only.
 */
export async function oldArchives(
  session: Session,
  schema: string,
  is: (table: TableName) => boolean,
  before: Instant,
): Promise<readonly Archive[]> {
  const archives = await readArchives(session, schema);
  return archives.filter(
    ({ table, written, dropped, to }) =>
      is(table) && written !== null && dropped && to !== null && instantOf(new Date(to)) <= before,
  );
}

/**
 * Deletes archives for good, one after another: first the object, then its row of the manifest, with `recorded` in the
 * same transaction. Killed in between it is done again: an object that is gone already is no failure.
 * @throws {PulseError} `archive-failed` where the storage refuses; what was deleted before is gone from the manifest.
 */
export async function deleteArchives(
  { session, signal }: Pick<ArchiveDeps, 'session' | 'signal'>,
  schema: string,
  archives: readonly Archive[],
  {
    storeOf,
    recorded,
  }: { readonly storeOf: (archive: Archive) => Promise<Store>; readonly recorded: (archive: Archive) => Sql },
): Promise<void> {
  for (const archive of archives) {
    signal.throwIfAborted();
    const store = await storeOf(archive);
    await store.remove(archive.object);
    try {
      const gone = dropArchive(schema, archive.entry);
      await session.run(`BEGIN; ${gone.text}; ${recorded(archive).text}; COMMIT`);
    } catch (error) {
      await rollBack(session);
      throw explainOwnStatement(error, `forgetting the archive of ${archive.partition.name}`);
    }
  }
}
