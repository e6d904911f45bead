import { ident, sql } from '../../postgres/sql.ts';
import { type Conversion, moveOn, readConversion } from './conversion.ts';
import type { Work } from './deps.ts';
import { locksOf } from './exchange.ts';
import { lostTrack } from './failures.ts';
import { validateInbound } from './inbound.ts';
import { nameSql } from './source-facts.ts';
import { ownBegin, underLock } from './under-lock.ts';

/**
 * After the swap: the foreign keys of the partitions, which hold for every new row since, are validated for the old
 * ones, partition by partition; then the table itself gets them, which takes over those of the partitions.
 */
export async function settle(work: Work, conversion: Conversion): Promise<Conversion> {
  const { session, toolSchema } = work;
  const { split } = conversion.spec;
  const oid = split?.parent.oid ?? conversion.targetOid;
  const live = nameSql(split?.parent ?? conversion);
  await validateKeys(
    work,
    conversion,
    sql`SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = ${oid}::pg_catalog.oid`,
  );
  await validateInbound(work, conversion);
  const keys = await missingKeys(work, conversion, oid);
  // Readers of the table go on: a foreign key is added beside them.
  const locks = (attempt: number) => locksOf(conversion, [live], attempt, 'SHARE ROW EXCLUSIVE');
  await underLock(work, conversion, 'the foreign keys of the table', locks, async () => {
    await session.run(
      keys
        .map(({ name, definition }) => `ALTER TABLE ${live} ADD CONSTRAINT ${ident(name).text} ${definition}`)
        .join(';\n') || 'SELECT',
    );
    const moved = await session.rows(moveOn(toolSchema, conversion, sql`phase = 'completed'`));
    if (moved.length === 0) throw lostTrack(conversion);
  });
  return readConversion(session, toolSchema, conversion.id);
}

/** Validates its foreign keys that are NOT VALID on these tables, each in a transaction of its own; writers go on meanwhile. */
export async function validateKeys(
  { session }: Pick<Work, 'session'>,
  { spec }: Conversion,
  tables: ReturnType<typeof sql>,
): Promise<void> {
  const open = await session.rows<{
    schema: string;
    table: string;
    name: string;
  }>(sql`SELECT n.nspname AS schema, c.relname AS table, k.conname AS name
FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND NOT k.convalidated AND k.conrelid IN (${tables})
  AND k.conname = ANY (${spec.foreignKeys.map((key) => key.name)}::pg_catalog.name[]) ORDER BY c.relname, k.conname`);
  for (const { schema, table, name } of open) {
    await session.run(
      `${ownBegin()}; ALTER TABLE ${ident(schema, table).text} VALIDATE CONSTRAINT ${ident(name).text}; COMMIT`,
    );
  }
}

async function missingKeys({ session }: Work, { spec }: Conversion, oid: number) {
  const there = await session.rows<{ name: string }>(
    sql`SELECT k.conname AS name FROM pg_catalog.pg_constraint AS k WHERE k.contype = 'f' AND k.conrelid = ${oid}::pg_catalog.oid`,
  );
  const ofTable = spec.split?.parentKeys ?? spec.foreignKeys.map(({ name }) => name);
  return spec.foreignKeys.filter((key) => ofTable.includes(key.name) && !there.some(({ name }) => name === key.name));
}
