import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { test as base, inject } from 'vitest';

/** A database of one test alone; it is empty at first and dropped at the end. */
export interface TestDatabase {
  readonly name: string;
  /** The superuser's URL of this database. */
  readonly url: string;
  /** Runs SQL as the superuser in this database, over a connection of its own; the rows of the last statement. */
  admin<Row extends object = Record<string, unknown>>(text: string): Promise<Row[]>;
}

const quiet = { max: 1, max_lifetime: null, fetch_types: false, onnotice: () => undefined } as const;

/** The server's URL with another database in it. */
function urlOf(name: string): string {
  const url = new URL(inject('serverUrl'));
  url.pathname = `/${name}`;
  return url.href;
}

/** Sends statements as one message of the simple protocol; the rows of the last one. */
export async function lastRows<Row extends object>(sql: postgres.Sql, text: string): Promise<Row[]> {
  // By the simple protocol, which takes several statements and then answers with a list of results.
  const result: unknown = await sql.unsafe(text).simple();
  const last: unknown = Array.isArray(result) && !('command' in result) ? result.at(-1) : result;
  return [...(last as Row[])];
}

type OnCleanup = (work: () => Promise<void>) => void;

async function newDatabase(maintenance: postgres.Sql, onCleanup: OnCleanup): Promise<TestDatabase> {
  const name = `${inject('databasePrefix')}_${randomBytes(4).toString('hex')}`;
  await maintenance`CREATE DATABASE ${maintenance(name)} TEMPLATE template0`;
  const url = urlOf(name);
  const sql = postgres(url, quiet);
  onCleanup(async () => {
    await sql.end({ timeout: 5 });
    await maintenance`DROP DATABASE ${maintenance(name)} WITH (FORCE)`;
  });
  return { name, url, admin: (text) => lastRows(sql, text) };
}

/** `test` with a fresh database, a second one where two are compared, and as many more as wanted: `test('…', async ({ database, openDatabase }) => …)`. */
export const test = base
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names a fixture needs from this pattern
  .extend('maintenance', { scope: 'file' }, async ({}, { onCleanup }) => {
    const sql = postgres(inject('serverUrl'), quiet);
    onCleanup(() => sql.end({ timeout: 5 }));
    return sql;
  })
  .extend('database', ({ maintenance }, { onCleanup }) => newDatabase(maintenance, onCleanup))
  .extend('other', ({ maintenance }, { onCleanup }) => newDatabase(maintenance, onCleanup))
  .extend('openDatabase', ({ maintenance }, { onCleanup }) => {
    const cleanups: (() => Promise<void>)[] = [];
    onCleanup(async () => {
      for (const cleanup of cleanups) await cleanup();
    });
    return () => newDatabase(maintenance, (cleanup) => cleanups.push(cleanup));
  });
