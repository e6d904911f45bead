import { PulseError } from '../../errors.ts';
import { ident, sql } from '../../postgres/sql.ts';
import type { TableName } from '../catalog.ts';
import { shownTable, typedName } from '../shown-name.ts';
import type { Conversion } from './conversion.ts';
import type { Work } from './deps.ts';
import type { Way } from './replay.ts';
import { nameSql } from './source-facts.ts';
import { ownBegin } from './under-lock.ts';

/** The tables whose foreign keys refer to the table that is converted, each once. */
export function inboundTables({ spec }: Pick<Conversion, 'spec'>): readonly string[] {
  return [...new Set((spec.inbound ?? []).map(({ table }) => nameSql(table)))].toSorted();
}

/**
 * Has them refer to what has the name now, or to the registry, in the same transaction as the exchange of the tables: what
 * is written from then on is checked, what is there is validated afterwards.
 */
export function inboundAgain(conversion: Conversion, way: Way): readonly string[] {
  return [...withoutInbound(conversion), ...inboundOnto(conversion, way)];
}

/** By itself where rows leave what they refer to before they come to be in what has the name then. */
export function withoutInbound({ spec }: Conversion): readonly string[] {
  return (spec.inbound ?? []).map(
    ({ name, table }) => `ALTER TABLE ${nameSql(table)} DROP CONSTRAINT ${ident(name).text}`,
  );
}

export function inboundOnto({ schema, name, spec }: Conversion, way: Way): readonly string[] {
  const live = nameSql({ schema, name });
  return (spec.inbound ?? []).map(
    ({ name: key, table, definition, to }) =>
      `ALTER TABLE ${nameSql(table)} ADD CONSTRAINT ${ident(key).text} ${way === 'back' || to === null ? referringTo(live, definition) : atCommit(referringTo(nameSql(to), definition))} NOT VALID`,
  );
}

function referringTo(target: string, definition: string): string {
  return definition.replace(' REFERENCES @(', () => ` REFERENCES ${target}(`);
}

/** A row that goes to another partition leaves the registry and comes back to it: only at the end is it there for certain. */
function atCommit(definition: string): string {
  return `${definition.replace(/(?: NOT)? DEFERRABLE.*$/, '')} DEFERRABLE INITIALLY DEFERRED`;
}

/**
 * Foreign keys that other tables got to it since the exchange: they would go on with what has not the name any more.
 * @throws {PulseError} `not-possible`, with their names.
 */
export async function assertNoneAdded({ session }: Pick<Work, 'session'>, conversion: Conversion): Promise<void> {
  const { name, spec, targetOid } = conversion;
  const there = await session.rows<{ name: string; table: TableName }>(sql`SELECT k.conname::pg_catalog.text AS name,
  pg_catalog.json_build_object('schema', n.nspname, 'name', c.relname) AS table
FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.confrelid = ${targetOid}::pg_catalog.oid AND k.conparentid = 0::pg_catalog.oid
  AND k.conrelid <> ${targetOid}::pg_catalog.oid ORDER BY n.nspname, c.relname, k.conname`);
  const added = there.filter(
    (key) => !spec.inbound?.some((known) => known.name === key.name && nameSql(known.table) === nameSql(key.table)),
  );
  if (added.length === 0) return;
  const keys = added.map((key) => `${key.name} of ${shownTable(key.table)}`).join(', ');
  throw new PulseError(
    'not-possible',
    `${name} is referred to by foreign keys that were made since the exchange, and that would not come along: ${keys}`,
    {
      hint: `drop them first, and make them again behind the rollback; or keep the partitions: pulse-migrate partition finish ${typedName(conversion)} --i-know`,
    },
  );
}

/** Validates them, each in a transaction of its own; writers go on meanwhile. */
export async function validateInbound({ session }: Pick<Work, 'session'>, { spec }: Conversion): Promise<void> {
  for (const { name, table } of spec.inbound ?? []) {
    await session.run(`${ownBegin()}; ALTER TABLE ${nameSql(table)} VALIDATE CONSTRAINT ${ident(name).text}; COMMIT`);
  }
}
