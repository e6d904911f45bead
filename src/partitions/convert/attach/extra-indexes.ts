import { PulseError } from '../../../errors.ts';
import { StatementError } from '../../../postgres/errors.ts';
import type { Session } from '../../../postgres/session.ts';
import { ident, sql } from '../../../postgres/sql.ts';
import { typedName } from '../../shown-name.ts';
import type { Conversion } from '../conversion.ts';
import type { Work } from '../deps.ts';
import { nameSql } from '../source-facts.ts';
import type { ExtraIndex } from './spec.ts';

/** All that the table gets besides its own. */
export function extraIndexes({ spec }: Pick<Conversion, 'spec'>): readonly ExtraIndex[] {
  return (spec.attach?.keys ?? []).flatMap(({ wide, kept }) => (kept === null ? [wide] : [wide, kept]));
}

/**
 * Builds the unique indexes that the partitioned table will ask for, CONCURRENTLY: clients read and write meanwhile. One
 * that a killed run left INVALID is built anew.
 * @throws {PulseError} `not-possible` where the server cannot build one, which changes nothing for clients.
 */
export async function buildExtraIndexes(work: Work, conversion: Conversion): Promise<void> {
  const indexes = extraIndexes(conversion);
  for (const [done, index] of indexes.entries()) {
    work.signal.throwIfAborted();
    work.emit({
      type: 'conversion-progress',
      table: conversion.name,
      phase: 'indexing',
      done,
      total: indexes.length,
      rows: 0,
      rowsPerSecond: 0,
      secondsLeft: null,
      backlog: 0,
      worstLockMs: conversion.worstLockMs,
    });
    const state = await stateOf(work.session, conversion, index.name);
    if (state === 'invalid') await dropExtraIndexes(work, conversion, [index]);
    if (state !== 'valid') await build(work, conversion, index);
  }
}

async function build({ session }: Work, conversion: Conversion, { name, using }: ExtraIndex): Promise<void> {
  try {
    await apart(session, `CREATE UNIQUE INDEX CONCURRENTLY ${ident(name).text} ON ${nameSql(conversion)} ${using}`);
  } catch (error) {
    if (!(error instanceof StatementError && error.sqlstate === '40P01')) throw error;
    throw new PulseError(
      'lock-not-obtained',
      `${conversion.name}: the index ${name} could not be built: ${error.message}`,
      {
        hint: `clients go on undisturbed; go on: pulse-migrate partition resume ${typedName(conversion)}`,
        cause: error,
      },
    );
  }
}

/** Drops what is there of these indexes; clients go on meanwhile. */
export async function dropExtraIndexes(
  { session }: Work,
  { schema }: Conversion,
  indexes: readonly ExtraIndex[],
): Promise<void> {
  for (const { name } of indexes) {
    await apart(session, `DROP INDEX CONCURRENTLY IF EXISTS ${nameSql({ schema, name })}`);
  }
}

/** A statement that runs in no transaction and waits for those of others to end, without that anybody waits for it. */
async function apart(session: Session, statement: string): Promise<void> {
  await session.run("SET statement_timeout = 0; SET lock_timeout = 0; SET search_path = ''");
  try {
    await session.run(statement);
  } finally {
    await session.run('RESET statement_timeout; RESET lock_timeout; RESET search_path').catch(() => {});
  }
}

/** How many of them are there and can be used. */
export async function builtIndexes(session: Session, conversion: Conversion): Promise<number> {
  let built = 0;
  for (const { name } of extraIndexes(conversion)) {
    if ((await stateOf(session, conversion, name)) === 'valid') built += 1;
  }
  return built;
}

async function stateOf(
  session: Session,
  { sourceOid }: Conversion,
  name: string,
): Promise<'valid' | 'invalid' | 'missing'> {
  const [row] = await session.rows<{ valid: boolean }>(sql`SELECT x.indisvalid AS valid
FROM pg_catalog.pg_index AS x JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
WHERE x.indrelid = ${sourceOid}::pg_catalog.oid AND i.relname = ${name}`);
  if (row === undefined) return 'missing';
  return row.valid ? 'valid' : 'invalid';
}
