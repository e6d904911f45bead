import { layoutVersion } from '../../src/ledger/layout.ts';
import type { AppliedMigration, LedgerState } from '../../src/ledger/ledger.ts';
import type { Folder, Migration } from '../../src/migrations/migration.ts';
import { parseMigrationText } from '../../src/migrations/parse-file.ts';

/** A folder of pairs with these versions; the text of each is its own version unless told otherwise. */
export function folderOf(versions: readonly string[], texts: Readonly<Record<string, string>> = {}): Folder {
  return { path: 'migrations', migrations: versions.map((version) => pair(version, texts[version])), warnings: [] };
}

function pair(version: string, text = `SELECT ${Number(version)};`): Migration {
  const file = (direction: 'up' | 'down', content: string) =>
    parseMigrationText(content, {
      path: `migrations/${version}_m${Number(version)}.${direction}.sql`,
      direction,
      allowEmpty: false,
      transaction: 'strict',
    }).file;
  return {
    version,
    number: BigInt(version),
    name: `m${Number(version)}`,
    up: file('up', text),
    down: file('down', 'SELECT 0;'),
  };
}

/** A ledger in which these versions are applied, in this order, each as `folderOf` writes it. */
export function ledgerOf(versions: readonly string[], unfinished: LedgerState['unfinished'] = []): LedgerState {
  return { schema: 'pulse_migrate', layout: layoutVersion, running: false, applied: versions.map(applied), unfinished };
}

function applied(version: string, index: number): AppliedMigration {
  const { name, number, up, down } = pair(version);
  return {
    id: BigInt(index + 1),
    runId: BigInt(index + 1),
    version,
    number,
    name,
    action: 'up',
    upChecksum: up.checksum,
    downChecksum: down?.checksum ?? null,
    inTransaction: true,
    appliedAt: new Date('2026-01-02T03:04:05Z'),
    role: 'deploy',
    actor: { osUser: 'anna', host: 'web-1', ciJob: null, gitCommit: null },
    durationMs: 7,
  };
}
