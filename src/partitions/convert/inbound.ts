import { ident } from '../../postgres/sql.ts';
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

/** Validates them, each in a transaction of its own; writers go on meanwhile. */
export async function validateInbound({ session }: Pick<Work, 'session'>, { spec }: Conversion): Promise<void> {
  for (const { name, table } of spec.inbound ?? []) {
    await session.run(`${ownBegin()}; ALTER TABLE ${nameSql(table)} VALIDATE CONSTRAINT ${ident(name).text}; COMMIT`);
  }
}
