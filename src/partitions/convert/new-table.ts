import { ident, raw, sql } from '../../postgres/sql.ts';
import { boundLiteral, type ClosedRange } from '../bounds.ts';
import type { ConversionSpec } from './conversion.ts';
import { nameSql, type Right, type SourceFacts } from './source-facts.ts';

/**
 * What makes the new table with its partitions, apart from what clients use: without indexes, foreign keys, triggers
 * and policies, which come later. `ranges`: of the partitions, in the order of their names; the last one is DEFAULT.
 */
export function newTable(facts: SourceFacts, spec: ConversionSpec, ranges: readonly ClosedRange[]): readonly string[] {
  const source = nameSql(facts);
  const target = nameSql({ schema: facts.schema, name: spec.newName });
  const { column, type } = spec.key;
  const storage = [
    facts.accessMethod === '' ? '' : ` USING ${ident(facts.accessMethod).text}`,
    facts.options === null ? '' : ` WITH (${facts.options})`,
    facts.tablespace === null ? '' : ` TABLESPACE ${ident(facts.tablespace).text}`,
  ].join('');
  const leaves = spec.leaves.map((leaf, index) => {
    const range = ranges[index];
    const bound =
      range === undefined
        ? 'DEFAULT'
        : sql`FOR VALUES FROM (${boundLiteral(type, range.from)}) TO (${boundLiteral(type, range.to)})`.text;
    return `CREATE TABLE ${nameSql(leaf)} PARTITION OF ${target} ${bound}${storage}`;
  });
  const each = [target, ...spec.leaves.map(nameSql)];
  return [
    `CREATE TABLE ${target} (LIKE ${source} INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (${ident(column).text})`,
    ...leaves,
    ...spec.identities.map((identity) => ofIdentity(target, identity)),
    ...each.flatMap((name) => ofColumns(facts, name)),
    ...(facts.replicaIdentity === 'd'
      ? []
      : each.map(
          (name) => `ALTER TABLE ${name} REPLICA IDENTITY ${facts.replicaIdentity === 'f' ? 'FULL' : 'NOTHING'}`,
        )),
    ...(facts.comment === null ? [] : [sql`COMMENT ON TABLE ${raw(target)} IS ${facts.comment}`.text]),
    ...(facts.rights ?? []).map((right) => grant(right, '', target)),
    ...facts.columns.flatMap(({ name, rights }) =>
      (rights ?? []).map((right) => grant(right, ` (${ident(name).text})`, target)),
    ),
    ...each.map((name) => `ALTER TABLE ${name} OWNER TO ${ident(facts.owner).text}`),
  ];
}

function ofColumns({ columns }: SourceFacts, table: string): readonly string[] {
  return columns.flatMap(({ name, statistics, options }) => [
    ...(statistics === null
      ? []
      : [`ALTER TABLE ${table} ALTER COLUMN ${ident(name).text} SET STATISTICS ${statistics}`]),
    ...(options === null ? [] : [`ALTER TABLE ${table} ALTER COLUMN ${ident(name).text} SET (${options})`]),
  ]);
}

type IdentityNames = Pick<ConversionSpec['identities'][number], 'column' | 'sequence' | 'newName'>;

/** The sequence that came with the identity column gets a name that is known, and the rights of the old one. */
export function ofIdentity(target: string, { column, sequence, newName }: IdentityNames): string {
  return sql`DO $pulse$
DECLARE own text := pg_catalog.pg_get_serial_sequence(${target}, ${column}); r record;
BEGIN
  FOR r IN SELECT g.privilege_type, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END AS grantee,
      g.is_grantable FROM pg_catalog.pg_class AS s, pg_catalog.aclexplode(s.relacl) AS g
    WHERE s.oid = ${nameSql(sequence)}::pg_catalog.regclass AND g.grantee <> s.relowner
  LOOP
    EXECUTE pg_catalog.format('GRANT %s ON SEQUENCE %s TO %s%s', r.privilege_type, own, r.grantee, CASE WHEN r.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
  END LOOP;
  EXECUTE pg_catalog.format('ALTER SEQUENCE %s RENAME TO %I', own, ${newName}::pg_catalog.text);
END $pulse$`.text;
}

function grant({ grantee, privilege, grantable }: Right, columns: string, table: string): string {
  return `GRANT ${privilege}${columns} ON ${table} TO ${grantee}${grantable ? ' WITH GRANT OPTION' : ''}`;
}
