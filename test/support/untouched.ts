import { catalogFingerprint } from '../../src/scratch/fingerprint.ts';
import type { TestDatabase } from './database.ts';
import { openSession } from './open-session.ts';

/** Everything a command could have changed: the catalog with the ledger's own schema, and what the ledger's tables hold. */
export interface DatabaseState {
  readonly catalog: ReadonlyMap<string, string>;
  readonly ledger: readonly unknown[];
}

/** Two states are equal when nothing was written between them. */
export async function stateOf(database: TestDatabase): Promise<DatabaseState> {
  await using session = await openSession(database.url);
  const { objects } = await catalogFingerprint(session, { excludeSchemas: [] });
  const [{ present } = { present: false }] = await database.admin<{ present: boolean }>(
    `SELECT to_regnamespace('pulse_migrate') IS NOT NULL AS present`,
  );
  const tables = present ? ['ledger', 'journal', 'lease', 'guard', 'layout'] : [];
  const ledger = await Promise.all(
    tables.map((name) =>
      database.admin(`SELECT '${name}' AS source, t.* FROM pulse_migrate.${name} AS t ORDER BY 1, 2`),
    ),
  );
  return { catalog: objects, ledger };
}

/** What the migrations made, without the ledger. */
export async function catalogOf(database: TestDatabase): Promise<ReadonlyMap<string, string>> {
  await using session = await openSession(database.url);
  return (await catalogFingerprint(session, { excludeSchemas: ['pulse_migrate'] })).objects;
}
