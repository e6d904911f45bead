import postgres from 'postgres';
import { onTestFinished } from 'vitest';
import { connect } from '../../../src/postgres/connect.ts';
import { catalogFingerprint } from '../../../src/scratch/fingerprint.ts';
import { lastRows, type TestDatabase } from '../../support/database.ts';
import { parametersOf } from '../../support/open-session.ts';
import { openProject } from '../../support/project.ts';
import type { PrivateServer } from '../../support/server-launch.ts';
import { until } from '../../support/until.ts';
import type { Scene } from './aftermath.ts';
import { type Look, learnStates, mixed } from './workload.ts';

/**
 * A scene on a server that restarts: no session of the tests stays open, neither lost by a stop nor in its way. What its
 * states are is learned unless a scene on a server of the same making has them.
 */
export async function openPrivateScene(
  { url }: Pick<PrivateServer, 'url'>,
  states: Scene['states'] | null = null,
): Promise<Scene> {
  const sql = postgres(url, { max: 1, idle_timeout: 0.1, fetch_types: false, onnotice: () => {} });
  onTestFinished(() => sql.end({ timeout: 5 }));
  const database: TestDatabase = { name: 'postgres', url, admin: (text) => lastRows(sql, text) };
  const parameters = await parametersOf(url);
  const look: Look = async () => {
    await using session = await connect(parameters);
    return await catalogFingerprint(session, { excludeSchemas: ['pulse_migrate'] });
  };
  const project = await openProject(mixed, database);
  return { database, project, look, states: states ?? (await learnStates(database, project, look)) };
}

/** Waits until a server that went down or away takes statements again. */
export async function untilAnswering({ admin }: Pick<TestDatabase, 'admin'>): Promise<void> {
  await until('the answer of a server that restarts', () =>
    admin('SELECT 1').then(
      () => true,
      () => false,
    ),
  );
}
