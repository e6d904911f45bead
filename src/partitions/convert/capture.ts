import { ident, raw, sql } from '../../postgres/sql.ts';
import { type Conversion, conversionTable, moveOn, partsOf, readConversion } from './conversion.ts';
import type { Work } from './deps.ts';
import { lostTrack } from './failures.ts';
import { nameSql } from './source-facts.ts';
import { ownBegin, underLock } from './under-lock.ts';

/** Triggers of ours on the table. They fire under every session_replication_role. */
export const captureTriggers = ['insert', 'update', 'delete'] as const;

/** Names of the triggers, which stand beside the user's own. */
export const triggerName = (what: string): string => `pulse_migrate_${what}`;

/**
 * Puts the triggers on the table: from its COMMIT on every change leaves its key in the log. The lock waits for all
 * transactions that write, so whoever wrote before has ended, and the blocks to be copied are those there are now.
 */
export async function beginCapture(work: Work, conversion: Conversion): Promise<Conversion> {
  const { session, toolSchema } = work;
  const parts = partsOf(toolSchema, conversion.id);
  const source = nameSql(conversion);
  const tables = {
    insert: 'NEW TABLE AS pulse_new',
    update: 'OLD TABLE AS pulse_old NEW TABLE AS pulse_new',
    delete: 'OLD TABLE AS pulse_old',
  };
  const triggers = captureTriggers.flatMap((what) => [
    `CREATE TRIGGER ${triggerName(what)} AFTER ${what.toUpperCase()} ON ${source} ${conversion.spec.split === undefined ? `REFERENCING ${tables[what]} FOR EACH STATEMENT` : 'FOR EACH ROW'} EXECUTE FUNCTION ${parts.capture}()`,
    `ALTER TABLE ${source} ENABLE ALWAYS TRIGGER ${triggerName(what)}`,
  ]);
  await underLock(
    work,
    conversion,
    'beginning the capture of changes',
    () => `LOCK TABLE ONLY ${source} IN SHARE ROW EXCLUSIVE MODE`,
    async () => {
      await session.run([...triggers, ...guardOn(source, parts.guard)].join(';\n'));
      const moved = await session.rows(moveOn(toolSchema, conversion, sql`phase = 'copying', ${sizeNow(conversion)}`));
      if (moved.length === 0) throw lostTrack(conversion);
    },
  );
  return readConversion(session, toolSchema, conversion.id);
}

/** TRUNCATE leaves no keys behind. */
export function guardOn(table: string, guard: string): readonly string[] {
  return [
    `CREATE TRIGGER ${triggerName('guard')} BEFORE TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION ${guard}()`,
    `ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${triggerName('guard')}`,
  ];
}

/** The triggers of the capture, to be taken off the table; to be run under a lock. */
export function dropCapture(table: string): string {
  return [...captureTriggers, 'guard']
    .map((what) => `DROP TRIGGER IF EXISTS ${triggerName(what)} ON ${table}`)
    .join(';\n');
}

const sizeNow = ({
  sourceOid,
}: Conversion) => sql`filenode = pg_catalog.pg_relation_filenode(${sourceOid}::pg_catalog.oid::pg_catalog.regclass)::pg_catalog.int8,
  blocks = pg_catalog.pg_relation_size(${sourceOid}::pg_catalog.oid::pg_catalog.regclass) / pg_catalog.current_setting('block_size')::pg_catalog.int8`;

/**
 * Begins the copy anew: VACUUM FULL or CLUSTER have given every row another place. The log stays, it tells what has
 * changed since the capture began, and that has to be looked at whatever was copied.
 */
export async function copyAnew({ session, toolSchema }: Work, conversion: Conversion): Promise<Conversion> {
  const target = nameSql({ schema: conversion.schema, name: conversion.spec.newName });
  try {
    await session.run(
      `${ownBegin()}; LOCK TABLE ONLY ${nameSql(conversion)} IN ACCESS SHARE MODE; TRUNCATE ${target};
UPDATE ${ident(toolSchema, conversionTable).text} SET next_block = 0, rows_copied = 0, ${sizeNow(conversion).text}
WHERE id = ${conversion.id} AND phase = 'copying'; COMMIT`,
    );
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    throw error;
  }
  return readConversion(session, toolSchema, conversion.id);
}

/** Raw SQL of a list of columns. */
export const listOf = (names: readonly string[]) => raw(names.join(', '));
