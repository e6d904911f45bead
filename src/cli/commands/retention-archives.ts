import type { Store } from '../../archive/store.ts';
import type { Settings } from '../../config/settings.ts';
import { instantOf } from '../../partitions/calendar.ts';
import type { TableName } from '../../partitions/catalog.ts';
import type { Session } from '../../postgres/session.ts';
import type { ArchiveAndDrop, DeleteOldArchives } from '../../retention/archive-old.ts';
import type { PlannedRule } from '../../retention/plan.ts';
import type { ArchivePlace } from '../../retention-rule.ts';
import type { RunnerDeps } from '../../runner/step.ts';
import type { Invocation } from '../cli.ts';
import { detachPartition, inSql } from './archive-and-drop.ts';

/** An archive as a plan shows it. */
export interface ShownArchive extends TableName {
  readonly to: string | null;
  readonly rows: number;
  readonly bytes: number;
  readonly object: string;
}

type Stores = ReadonlyMap<ArchivePlace, Store>;

/** The storage of each rule that archives: a place that is none is told before anything is done. */
export async function storesOf(
  { runtime }: Invocation,
  { retention }: Settings,
  tables: readonly string[],
): Promise<Stores> {
  const stores = new Map<ArchivePlace, Store>();
  for (const { table, archive } of retention) {
    if (archive === null || (tables.length > 0 && !tables.includes(table))) continue;
    const { openStore } = await import('../../archive/open-store.ts');
    const { place, endpoint } = archive;
    stores.set(archive, await openStore(place, { endpoint, cwd: runtime.cwd, env: runtime.env }));
  }
  return stores;
}

/** What `partition archive --drop` does, for a rule. */
export function archiveAndDrop(deps: RunnerDeps, settings: Settings, stores: Stores): ArchiveAndDrop {
  return async ({ table, before, to, recorded }) => {
    const store = stores.get(to);
    if (store === undefined) throw new TypeError(`no storage was opened for ${to.place}`);
    const { archivePartitions } = await import('../../archive/archive-partitions.ts');
    await archivePartitions(deps, {
      ...{ table: inSql(table), names: [], before, drop: true, store, place: store.shown },
      ...{ schema: settings.ledgerSchema, endpoint: to.endpoint, format: to.format },
      // --i-know has said it for all rules.
      confirm: () => undefined,
      detach: (...names) => detachPartition(deps, settings, before, names),
      alongside: ({ partition, from, to: end }, rows) => recorded({ ...partition, from, to: end, rows }),
    });
  };
}

/** Partitions, by schema and name, that an earlier run took out of the table and did not come to drop. */
export async function unfinishedOf(
  session: Session,
  settings: Settings,
  rule: PlannedRule,
): Promise<readonly string[]> {
  if (rule.action !== 'archive' || rule.cutoff === null) return [];
  const { unfinishedPartitions } = await import('../../archive/archive-partitions.ts');
  const partitions = await unfinishedPartitions(session, settings.ledgerSchema, (one) => nameOf(one) === rule.table);
  return partitions.map(nameOf);
}

function nameOf({ schema, name }: TableName): string {
  return `${schema}.${name}`;
}

/** What `delete-archives` would delete for good. */
export async function archivesOf(
  session: Session,
  settings: Settings,
  rule: PlannedRule,
): Promise<readonly ShownArchive[]> {
  if (rule.action !== 'delete-archives' || rule.cutoff === null) return [];
  const { oldArchives } = await import('../../archive/delete-archives.ts');
  const before = instantOf(new Date(rule.cutoff));
  const archives = await oldArchives(session, settings.ledgerSchema, (one) => nameOf(one) === rule.table, before);
  return archives.map(({ partition, to, written, place, object }) => ({
    ...{ ...partition, to, object: `${place}${object}` },
    ...{ rows: written?.rows ?? 0, bytes: written?.stored.bytes ?? 0 },
  }));
}

/** Deletes what an archive that is too old consists of, where the manifest says that it is. */
export function archivesDeleter({ runtime }: Invocation, deps: RunnerDeps, settings: Settings): DeleteOldArchives {
  return async ({ table, before, recorded }) => {
    const [{ deleteArchives, oldArchives }, { openStore }] = await Promise.all([
      import('../../archive/delete-archives.ts'),
      import('../../archive/open-store.ts'),
    ]);
    const schema = settings.ledgerSchema;
    const archives = await oldArchives(deps.session, schema, (one) => nameOf(one) === nameOf(table), before);
    const { cwd, env } = runtime;
    await deleteArchives(deps, schema, archives, {
      storeOf: ({ place, endpoint }) => openStore(place, { endpoint, cwd, env }),
      recorded: ({ partition, from, to, written }) => recorded({ ...partition, from, to, rows: written?.rows ?? 0 }),
    });
  };
}
