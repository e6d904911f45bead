import { PulseError } from '../../errors.ts';
import { StatementError } from '../../postgres/errors.ts';
import { ident, join, raw, sql } from '../../postgres/sql.ts';
import { boundLiteral, type ClosedRange, type KeyType } from '../bounds.ts';
import { calendarOf, type Period } from '../calendar.ts';
import type { TableName } from '../catalog.ts';
import { fitted } from '../leaf-name.ts';
import { typedName } from '../shown-name.ts';
import {
  type Conversion,
  type ConversionSpec,
  conversionTable,
  installConversions,
  type PlannedIndex,
  partsOf,
  readConversion,
} from './conversion.ts';
import type { Work } from './deps.ts';
import { extentOf, type LeavesAsked, leafNames, leafRanges } from './leaves.ts';
import { lostKeys, refusalsOf } from './refusals.ts';
import { registriesOf, registryParts } from './registry.ts';
import { nameSql, plainSettings, type Right, readSourceFacts, relationOid, type SourceFacts } from './source-facts.ts';
import { structureOf } from './structure.ts';
import { ownBegin } from './under-lock.ts';
import { type UniqueChoice, withColumn } from './widen.ts';

/** What the operator asks for. */
export interface ConvertInput extends LeavesAsked {
  /** As typed, quoted as in SQL. */
  readonly table: string;
  readonly column: string;
  readonly period: Period;
  readonly unique: UniqueChoice | null;
  /** How long the old table is kept after the swap, milliseconds. */
  readonly retainMs: number;
}

/**
 * Looks whether the table can be converted, and makes the new one beside it in one transaction: partitions without
 * indexes, the log of keys, the functions of the triggers. Nothing that a client uses is locked.
 * @throws {PulseError} `not-possible` with everything that stands against it; nothing is written then.
 */
export async function beginConversion(work: Work, input: ConvertInput): Promise<Conversion> {
  const facts = await acceptedFacts(work, input);
  const calendar = calendarOf(input.period);
  await work.session.run(`BEGIN; ${plainSettings.text}; SET LOCAL row_security = off; SET LOCAL statement_timeout = 0`);
  const ranges = await extentOf(work.session, facts, input.column)
    .then((extent) => leafRanges(calendar, extent, input))
    .finally(() => work.session.run('ROLLBACK'));
  const names = await leafNames(work.session, facts, calendar, ranges);
  await installConversions(work.session, work.toolSchema);
  return prepare(work, input, { facts, ranges, names });
}

async function acceptedFacts({ session, toolSchema }: Work, input: ConvertInput): Promise<SourceFacts> {
  const oid = await relationOid(session, input.table);
  const facts = oid === null ? null : await readSourceFacts(session, oid, toolSchema);
  if (facts === null) {
    throw new PulseError('not-possible', `there is no table ${input.table}`, {
      hint: 'name it with its schema where search_path does not hold that',
    });
  }
  const refusals = refusalsOf(facts, input);
  const [first] = refusals;
  if (first === undefined) return facts;
  const all = refusals.map(({ message }) => message).join('; ');
  throw new PulseError('not-possible', `${facts.schema}.${facts.name} cannot be converted: ${all}`, {
    hint: refusals.length === 1 ? first.hint : 'see what helps against each below; nothing was changed',
    ...(refusals.length > 1 && { problems: refusals }),
  });
}

interface Prepared {
  readonly facts: SourceFacts;
  readonly ranges: readonly ClosedRange[];
  /** Of the partitions, and the DEFAULT one last. */
  readonly names: readonly TableName[];
}

async function prepare(work: Work, input: ConvertInput, { facts, ranges, names }: Prepared): Promise<Conversion> {
  const { session, toolSchema } = work;
  const table = ident(toolSchema, conversionTable);
  try {
    await session.run(ownBegin());
    const [row] = await session.rows<{
      id: number;
    }>(sql`INSERT INTO ${table} (source_oid, schema_name, table_name, phase, spec, tool_version)
VALUES (${facts.oid}, ${facts.schema}, ${facts.name}, 'prepared', '{}', ${work.toolVersion}) RETURNING id::pg_catalog.float8 AS id`);
    const id = row?.id ?? 0;
    const spec = specOf(facts, input, names, id);
    await session.run(statementsOf(facts, spec, ranges, partsOf(toolSchema, id)).join(';\n'));
    const target = nameSql({ schema: facts.schema, name: spec.newName });
    await session.run(
      sql`UPDATE ${table} SET spec = ${JSON.stringify(spec)}, target_oid = ${target}::pg_catalog.regclass::pg_catalog.oid WHERE id = ${id}; COMMIT`
        .text,
    );
    return await readConversion(session, toolSchema, id);
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    if (
      error instanceof StatementError &&
      error.sqlstate === '23505' &&
      error.constraint === 'partition_conversion_one_idx'
    ) {
      throw new PulseError('not-possible', `${facts.name} is being converted already`, {
        hint: `pulse-migrate partition resume ${typedName(facts)}`,
      });
    }
    throw error;
  }
}

function specOf(facts: SourceFacts, input: ConvertInput, leaves: readonly TableName[], id: number): ConversionSpec {
  const quoted = (name: string) => ident(name).text;
  const newName = fitted(facts.name, `_new_${id}`);
  const key = facts.columns.find(({ name }) => name === input.column);
  const primary = facts.indexes.find(({ constraint }) => constraint === 'p');
  const sequences = facts.columns.flatMap((column) =>
    column.sequence === null ? [] : [{ ...column, sequence: column.sequence }],
  );
  return {
    key: { column: input.column, type: keyTypeOf(key?.type ?? '') },
    period: input.period,
    unique: input.unique,
    columns: facts.columns.filter(({ generated }) => !generated).map(({ name }) => quoted(name)),
    identifier: (primary?.columns ?? []).map((name) => quoted(name ?? '')),
    newName,
    oldName: fitted(facts.name, `_old_${id}`),
    leaves,
    indexes: plannedIndexes(facts, input, leaves, newName, id),
    registries: input.unique === 'registry' ? registriesOf(facts, lostKeys(facts, input.column), id) : [],
    identities: sequences
      .filter(({ identity }) => identity)
      .map(({ name, sequence }, index) => ({
        column: name,
        sequence,
        newName: fitted(sequence.name, `_new_${id}_${index}`),
        oldName: fitted(sequence.name, `_old_${id}_${index}`),
      })),
    serials: sequences.filter(({ identity }) => !identity).map(({ name, sequence }) => ({ column: name, sequence })),
    foreignKeys: facts.foreignKeys.map(({ name, definition, references }) => ({ name, definition, references })),
    publications: facts.publications.map(({ name }) => name),
    retainMs: input.retainMs,
    structure: structureOf(facts),
  };
}

function keyTypeOf(type: string): KeyType {
  return type === 'date' ? 'date' : type === 'timestamp with time zone' ? 'timestamptz' : 'timestamp';
}

/** Every index of the table on the new one; what cannot stay unique without the partition key gets it as a column. */
function plannedIndexes(
  facts: SourceFacts,
  { column, unique }: ConvertInput,
  leaves: readonly TableName[],
  newName: string,
  id: number,
): readonly PlannedIndex[] {
  const lost = lostKeys(facts, column);
  const target = nameSql({ schema: facts.schema, name: newName });
  return facts.indexes.map((index, at) => {
    const { name, constraint, unique: isUnique } = index;
    const made = fitted(name, `_new_${id}_${at}`);
    const isLost = lost.includes(index);
    const definition = isLost ? withColumn(index.definition, ident(column).text) : index.definition;
    const statements =
      constraint === null
        ? [`CREATE ${isUnique ? 'UNIQUE ' : ''}INDEX ${ident(made).text} ON ${target} ${definition}`]
        : [`ALTER TABLE ${target} ADD CONSTRAINT ${ident(made).text} ${definition}`];
    if (isLost && unique === 'per-leaf') {
      for (const leaf of leaves) statements.push(`CREATE UNIQUE INDEX ON ${nameSql(leaf)} ${index.using}`);
    }
    if (index.comment !== null) {
      statements.push(sql`COMMENT ON INDEX ${ident(facts.schema, made)} IS ${index.comment}`.text);
    }
    return {
      name,
      newName: made,
      oldName: fitted(name, `_old_${id}_${at}`),
      isConstraint: constraint !== null,
      sql: statements.join(';\n'),
    };
  });
}

/** What makes the new table and the means of the capture, all apart from what clients use. */
function statementsOf(
  facts: SourceFacts,
  spec: ConversionSpec,
  ranges: readonly ClosedRange[],
  parts: ReturnType<typeof partsOf>,
): readonly string[] {
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
    ...captureParts(facts, spec, parts),
    ...(spec.registries ?? []).flatMap((registry) => registryParts(facts, registry)),
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

/** The sequence that came with the identity column gets a name that is known, and the rights of the old one. */
function ofIdentity(target: string, { column, sequence, newName }: ConversionSpec['identities'][number]): string {
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

/**
 * The logs of keys and the functions that write them: as their owner, so that clients need no right on them, and with
 * names that no search_path can turn elsewhere. A row's old and new key, since an update may change it.
 */
function captureParts(facts: SourceFacts, spec: ConversionSpec, parts: ReturnType<typeof partsOf>): readonly string[] {
  const key = [...spec.identifier, ident(spec.key.column).text];
  const columns = join(key.map((name, index) => raw(`${name} AS ${logColumn(index)}`))).text;
  const of = (row: string) => key.map((name) => `${row}.${name}`).join(', ');
  const into = `(${key.map((_, index) => logColumn(index)).join(', ')})`;
  const head = 'RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS';
  const log = (name: string): readonly string[] => [
    `CREATE TABLE ${name} AS SELECT ${columns} FROM ${nameSql(facts)} WITH NO DATA`,
    `ALTER TABLE ${name} ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)`,
    `CREATE INDEX ON ${name} ${into}`,
  ];
  return [
    ...log(parts.log),
    ...log(parts.reverseLog),
    // With transition tables: measured 4 % on a large INSERT, where a trigger for each row costs 24 %.
    `CREATE FUNCTION ${parts.capture}() ${head} $$
BEGIN
  IF TG_OP <> 'DELETE' THEN INSERT INTO ${parts.log} ${into} SELECT ${of('n')} FROM pulse_new AS n; END IF;
  IF TG_OP <> 'INSERT' THEN INSERT INTO ${parts.log} ${into} SELECT ${of('o')} FROM pulse_old AS o; END IF;
  RETURN NULL;
END $$`,
    // For each row: on a partitioned table the other kind sees neither a write to a partition nor a cascade (measured).
    `CREATE FUNCTION ${parts.reverseCapture}() ${head} $$
BEGIN
  IF TG_OP <> 'DELETE' THEN INSERT INTO ${parts.reverseLog} ${into} VALUES (${of('NEW')}); END IF;
  IF TG_OP <> 'INSERT' THEN INSERT INTO ${parts.reverseLog} ${into} VALUES (${of('OLD')}); END IF;
  RETURN NULL;
END $$`,
    `CREATE FUNCTION ${parts.guard}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '% cannot be truncated while pulse-migrate converts it to partitions', TG_TABLE_NAME
    USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'use DELETE; or end the conversion first: pulse-migrate partition status';
END $$`,
  ];
}

/** The columns of a log: those of the primary key, then the partition key. */
export function logColumn(index: number): string {
  return `k${index}`;
}
