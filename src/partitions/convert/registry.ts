import { ident, raw, sql } from '../../postgres/sql.ts';
import type { TableName } from '../catalog.ts';
import { fitted } from '../leaf-name.ts';
import { type IndexFact, nameSql, type SourceFacts } from './source-facts.ts';

/** What keeps one key unique over all partitions: a table that holds each key once, written to by triggers. */
export interface Registry extends TableName {
  /** The unique index or constraint that held it. */
  readonly key: string;
  /** The function of the triggers on rows, and that of those on TRUNCATE. */
  readonly keep: TableName;
  readonly forget: TableName;
  /** Quoted. */
  readonly columns: readonly string[];
}

/** The registries for the keys that a table loses; they stay when the conversion is over. */
export function registriesOf({ schema }: TableName, lost: readonly IndexFact[], id: number): readonly Registry[] {
  return lost.map((index, at) => {
    const named = (what: string) => ({ schema, name: fitted(index.name, `_${what}_${id}_${at}`) });
    return {
      ...named('registry'),
      key: index.name,
      keep: named('keep'),
      forget: named('forget'),
      columns: index.columns.map((name) => ident(name ?? '').text),
    };
  });
}

/** Makes the table, empty and without its key, and the functions; they work as its owner, so clients need no right on it. */
export function registryParts(facts: SourceFacts, registry: Registry): readonly string[] {
  const table = nameSql(registry);
  const keep = `${nameSql(registry.keep)}()`;
  const forget = `${nameSql(registry.forget)}()`;
  const head = 'RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS';
  const owner = ident(facts.owner).text;
  return [
    `CREATE TABLE ${table} AS SELECT ${registry.columns.join(', ')} FROM ONLY ${nameSql(facts)} WITH NO DATA`,
    `CREATE FUNCTION ${keep} ${head} ${sql`${keepBody(facts, registry)}`.text}`,
    `CREATE FUNCTION ${forget} ${head} ${sql`${forgetBody(registry)}`.text}`,
    sql`COMMENT ON TABLE ${ident(registry.schema, registry.name)} IS ${`keys of ${registry.key} on ${facts.name}, kept unique over all partitions by pulse-migrate`}`
      .text,
    `ALTER TABLE ${table} OWNER TO ${owner}`,
    ...[keep, forget].flatMap((name) => [
      // Whoever may execute it could put it on a table of his own and fill ours.
      `REVOKE ALL ON FUNCTION ${name} FROM PUBLIC`,
      `ALTER FUNCTION ${name} OWNER TO ${owner}`,
    ]),
  ];
}

/**
 * For each row, so that a write to a partition, a cascade and a row that goes to another partition count; behind the
 * row, so that what other triggers make of it counts. Two who come with one key at the same time wait for each other,
 * as at a unique index.
 */
function keepBody(facts: SourceFacts, { key, columns, ...registry }: Registry): string {
  const all = (row: string) => columns.map((name) => `${row}.${name}`).join(', ');
  const isWhole = (row: string) => columns.map((name) => `${row}.${name} IS NOT NULL`).join(' AND ');
  const table = nameSql(registry);
  const text = (value: string) => sql`${value}`.text;
  // In the text of plpgsql's format() a percent sign would begin a place.
  const places = columns.map(() => '%s').join(', ');
  const shown = columns.join(', ').replaceAll('%', '%%').replaceAll('"', '');
  return `
BEGIN
  IF TG_OP = 'UPDATE' AND ROW(${all('NEW')}) IS NOT DISTINCT FROM ROW(${all('OLD')}) THEN RETURN NULL; END IF;
  IF TG_OP <> 'INSERT' AND ${isWhole('OLD')} THEN
    DELETE FROM ${table} AS r WHERE ${columns.map((name) => `r.${name} = OLD.${name}`).join(' AND ')};
  END IF;
  IF TG_OP <> 'DELETE' AND ${isWhole('NEW')} THEN
    INSERT INTO ${table} (${columns.join(', ')}) VALUES (${all('NEW')}) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      RAISE unique_violation USING MESSAGE = ${text(`duplicate key value violates unique constraint "${key}"`)},
        DETAIL = pg_catalog.format(${text(`Key (${shown})=(${places}) already exists.`)}, ${all('NEW')}),
        SCHEMA = ${text(facts.schema)}, TABLE = ${text(facts.name)}, CONSTRAINT = ${text(key)};
    END IF;
  END IF;
  RETURN NULL;
END `;
}

/** TRUNCATE fires no trigger for a row, and of a partition none of the table: each partition has this one. */
function forgetBody({ columns, ...registry }: Registry): string {
  return `
BEGIN
  EXECUTE pg_catalog.format(${sql`${`DELETE FROM ${nameSql(registry).replaceAll('%', '%%')} AS r USING ONLY %I.%I AS l WHERE ${columns.map((name) => `r.${name} = l.${name}`.replaceAll('%', '%%')).join(' AND ')}`}`.text}, TG_TABLE_SCHEMA, TG_TABLE_NAME);
  RETURN NULL;
END `;
}

/** Fills the registry from the new table, which nobody else writes to, and puts the triggers on it. */
export function fillRegistry(target: string, leaves: readonly string[], registry: Registry): string {
  const table = nameSql(registry);
  const { columns } = registry;
  return [
    `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${columns.join(', ')} FROM ${target} WHERE ${whole(columns)}`,
    `ALTER TABLE ${table} ADD PRIMARY KEY (${columns.join(', ')})`,
    `ANALYZE ${table}`,
    `CREATE TRIGGER ${ident(registry.keep.name).text} AFTER INSERT OR UPDATE OR DELETE ON ${target} FOR EACH ROW EXECUTE FUNCTION ${nameSql(registry.keep)}()`,
    ...leaves.map(
      (leaf) =>
        `CREATE TRIGGER ${ident(registry.forget.name).text} BEFORE TRUNCATE ON ${leaf} FOR EACH STATEMENT EXECUTE FUNCTION ${nameSql(registry.forget)}()`,
    ),
  ].join(';\n');
}

/** How many keys the table has that belong into a registry, and how many that holds; one query, both in one snapshot. */
export function registryCounts(target: string, registry: Registry) {
  return sql`SELECT ${raw(`(SELECT pg_catalog.count(*)::pg_catalog.float8 FROM ${target} WHERE ${whole(registry.columns)})`)} AS wanted,
  ${raw(`(SELECT pg_catalog.count(*)::pg_catalog.float8 FROM ${nameSql(registry)})`)} AS held`;
}

/** What takes a registry away, when the table that fills it is gone. */
export function dropRegistry(registry: Registry): readonly string[] {
  return [
    // With their triggers on a partition that was made since and detached, which nothing of ours names.
    `DROP FUNCTION IF EXISTS ${nameSql(registry.keep)}(), ${nameSql(registry.forget)}() CASCADE`,
    `DROP TABLE IF EXISTS ${nameSql(registry)}`,
  ];
}

/** A key with a NULL is like no other, and no registry holds it. */
const whole = (columns: readonly string[]) => columns.map((name) => `${name} IS NOT NULL`).join(' AND ');
