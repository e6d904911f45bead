import { closestName } from '../closest-name.ts';
import { PulseError } from '../errors.ts';
import { StatementError } from '../postgres/errors.ts';
import { quoteIdentifier } from '../postgres/identifiers.ts';
import type { Session } from '../postgres/session.ts';
import { ident, sql } from '../postgres/sql.ts';
import { visible } from '../visible.ts';

/** A relation by name. */
export interface RelationName {
  readonly schema: string;
  readonly name: string;
}

/** As it is shown: the schema stands before it unless that is public. */
export function shownName({ schema, name }: RelationName): string {
  return visible(schema === 'public' ? name : `${schema}.${name}`);
}

/**
 * As it stands in a statement that somebody is to type: quoted, but for a word that can be none of the server's keywords,
 * which begin so where they have an underscore at all.
 */
export function typedName({ schema, name }: RelationName): string {
  const isPlain = (word: string) => /^(?!(?:current|session|system)_)[a-z]+_[a-z0-9_]*$/.test(word);
  const short = (word: string) => (isPlain(word) ? word : quoteIdentifier(word));
  return visible(schema === 'public' ? short(name) : `${short(schema)}.${short(name)}`);
}

/**
 * The tables of these names, as in SQL or, where that means none, letter by letter; null for none.
 * @throws {PulseError} `not-possible` for a name that no table has, with the nearest one that there is.
 */
export async function tableOids(session: Session, names: readonly string[]): Promise<readonly number[] | null> {
  if (names.length === 0) return null;
  const oids: number[] = [];
  for (const name of names) {
    const oid = await tableOid(session, name);
    if (oid === null) throw await unknownTable(session, name);
    oids.push(oid);
  }
  return oids;
}

async function tableOid(session: Session, name: string): Promise<number | null> {
  const dot = name.indexOf('.');
  const parts = dot > 0 && dot < name.length - 1 ? [name.slice(0, dot), name.slice(dot + 1)] : [];
  const exact = [[name], parts].flatMap((words) => (words.every((word) => word !== '') ? ident(...words).text : []));
  for (const text of [name, ...exact]) {
    const oid = text === '' ? null : await oidOf(session, text);
    if (oid !== null) return oid;
  }
  return null;
}

async function oidOf(session: Session, text: string): Promise<number | null> {
  try {
    const [row] = await session.rows<{ oid: number }>(sql`SELECT c.oid::pg_catalog.int8::pg_catalog.float8 AS oid
FROM pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass(${text})::pg_catalog.oid
  AND c.relkind::pg_catalog.text = ANY (${['r', 'p', 'm']})`);
    return row?.oid ?? null;
  } catch (error) {
    // invalid_name, syntax_error: no name at all.
    if (error instanceof StatementError && ['42602', '42601'].includes(error.sqlstate)) return null;
    throw error;
  }
}

async function unknownTable(session: Session, name: string): Promise<PulseError> {
  const rows = await session.rows<{ name: string }>(sql`SELECT c.relname::pg_catalog.text AS name
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind::pg_catalog.text = ANY (${['r', 'p', 'm']}) AND NOT c.relispartition
  AND n.nspname::pg_catalog.text <> ALL (${['pg_catalog', 'information_schema', 'pg_toast']}) ORDER BY 1 LIMIT 20000`);
  const near = closestName(
    name,
    rows.map((row) => row.name),
  );
  return new PulseError('not-possible', `there is no table ${visible(name)}`, {
    hint: near === null ? 'name it with its schema where search_path does not hold that' : `is ${visible(near)} meant?`,
  });
}

/** @throws {PulseError} `not-possible` for a schema that is not there: a misspelt one would pass for an empty one. */
export async function assertSchema(session: Session, name: string): Promise<void> {
  const rows = await session.rows<{ name: string }>(
    sql`SELECT n.nspname::pg_catalog.text AS name FROM pg_catalog.pg_namespace AS n ORDER BY 1`,
  );
  const known = rows.map((row) => row.name);
  if (known.includes(name)) return;
  const near = closestName(name, known);
  throw new PulseError('not-possible', `there is no schema ${visible(name)}`, {
    hint: near === null ? 'pulse-migrate report sizes shows the tables of all' : `is ${visible(near)} meant?`,
  });
}
