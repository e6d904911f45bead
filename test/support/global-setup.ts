import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import type { TestProject } from 'vitest/node';
import { startInDocker } from './docker.ts';
import { chosenVersion, closeRunDirectory, launchServer, openRunDirectory } from './server-launch.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The superuser's URL of the server all tests share; each makes a database of its own there. */
    serverUrl: string;
    /** Names this run: every database it makes begins with it. */
    databasePrefix: string;
    /** Where private servers and their programs lie. */
    runDirectory: string;
  }
}

interface Run {
  readonly serverUrl: string;
  readonly databasePrefix: string;
  readonly runDirectory: string;
  close(): Promise<void>;
}

async function openServer(runDirectory: string): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const given = process.env['PULSE_TEST_DATABASE_URL'];
  if (given) return { url: given, stop: async () => undefined };
  return (await startInDocker(chosenVersion())) ?? (await launchServer(runDirectory));
}

/**
 * Drops the databases of runs that are gone. A run keeps one connection open for as long as it lives, named like its
 * databases: that says who is alive on a server several runs may share, and no clock has to be asked.
 */
async function dropLeftovers(sql: postgres.Sql): Promise<void> {
  const leftovers = await sql<{ datname: string }[]>`
    SELECT datname FROM pg_database
     WHERE datname ~ '^pulse_test_[0-9a-f]{8}_'
       AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = substr(datname, 1, 19))`;
  for (const { datname } of leftovers) await sql`DROP DATABASE IF EXISTS ${sql(datname)} WITH (FORCE)`;
}

async function openRun(): Promise<Run> {
  const runDirectory = await openRunDirectory();
  try {
    const server = await openServer(runDirectory);
    const databasePrefix = `pulse_test_${randomBytes(4).toString('hex')}`;
    const sql = postgres(server.url, {
      max: 1,
      max_lifetime: null,
      onnotice: () => undefined,
      connection: { application_name: databasePrefix },
    });
    await dropLeftovers(sql);
    const close = async (): Promise<void> => {
      await sql.end({ timeout: 5 });
      await server.stop();
      await closeRunDirectory(runDirectory);
    };
    return { serverUrl: server.url, databasePrefix, runDirectory, close };
  } catch (error) {
    await closeRunDirectory(runDirectory);
    throw new Error('the tests need a PostgreSQL server and found none; name one with PULSE_TEST_DATABASE_URL', {
      cause: error,
    });
  }
}

interface Shared {
  users: number;
  readonly run: Promise<Run>;
}

/** Every project loads this file anew, yet all of them share one server. */
const shared = globalThis as { [key: symbol]: Shared | undefined };
const key = Symbol.for('pulse-migrate.test-run');

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const mine = shared[key] ?? { users: 0, run: openRun() };
  shared[key] = mine;
  mine.users += 1;
  const run = await mine.run;
  project.provide('serverUrl', run.serverUrl);
  project.provide('databasePrefix', run.databasePrefix);
  project.provide('runDirectory', run.runDirectory);
  return async () => {
    mine.users -= 1;
    if (mine.users > 0) return;
    shared[key] = undefined;
    await run.close();
  };
}
