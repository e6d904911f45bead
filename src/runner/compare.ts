import type { AppliedMigration, LedgerState, UnfinishedMigration } from '../ledger/ledger.ts';
import type { Folder, Migration } from '../migrations/migration.ts';

export type MigrationState = 'applied' | 'pending' | 'changed' | 'missing' | 'out-of-order';

/** Where one version stands: its file, its row in the ledger, and what the two say together. */
export interface Standing {
  readonly version: string;
  readonly number: bigint;
  readonly name: string;
  readonly state: MigrationState;
  readonly migration: Migration | null;
  readonly applied: AppliedMigration | null;
  readonly unfinished: UnfinishedMigration | null;
}

/**
 * Files against ledger, in the order the migrations run. A version is its number: `0001` and `000001` are the same.
 * A pending one before an applied one is out of order; an applied one whose up file has another text is changed;
 * one that is applied, or stopped part of the way, and has no file is missing.
 */
export function compare(folder: Folder | null, ledger: LedgerState): Standing[] {
  const appliedByNumber = new Map(ledger.applied.map((applied) => [applied.number, applied]));
  const unfinishedByNumber = new Map(ledger.unfinished.map((unfinished) => [unfinished.number, unfinished]));
  const withFile = (folder?.migrations ?? []).map((migration): Standing => {
    const applied = appliedByNumber.get(migration.number) ?? null;
    return {
      version: migration.version,
      number: migration.number,
      name: migration.name,
      state: applied === null ? 'pending' : isChanged(migration, applied) ? 'changed' : 'applied',
      migration,
      applied,
      unfinished: unfinishedByNumber.get(migration.number) ?? null,
    };
  });
  const known = new Set(withFile.map((standing) => standing.number));
  const missing = [...appliedByNumber.values(), ...unfinishedByNumber.values()].flatMap((row): Standing[] => {
    const { version, number, name } = row;
    if (known.has(number)) return [];
    known.add(number);
    const applied = appliedByNumber.get(number) ?? null;
    const unfinished = unfinishedByNumber.get(number) ?? null;
    return [{ version, number, name, state: 'missing', migration: null, applied, unfinished }];
  });
  return markOutOfOrder(mergeByNumber(withFile, missing));
}

function isChanged(migration: Migration, applied: AppliedMigration): boolean {
  return applied.upChecksum !== null && applied.upChecksum !== migration.up.checksum;
}

/** The folder's own order stays as it is (it may be by text); each missing version goes before the first higher one. */
function mergeByNumber(withFile: readonly Standing[], missing: readonly Standing[]): Standing[] {
  const waiting = missing.toSorted((a, b) => (a.number < b.number ? -1 : 1));
  const merged: Standing[] = [];
  for (const standing of withFile) {
    while (waiting[0] !== undefined && waiting[0].number < standing.number) merged.push(...waiting.splice(0, 1));
    merged.push(standing);
  }
  return [...merged, ...waiting];
}

function markOutOfOrder(standings: readonly Standing[]): Standing[] {
  const lastApplied = standings.findLastIndex((standing) => standing.applied !== null);
  return standings.map((standing, index) =>
    standing.state === 'pending' && index < lastApplied ? { ...standing, state: 'out-of-order' } : standing,
  );
}
