import { PulseError } from '../../errors.ts';
import { ident, sql } from '../../postgres/sql.ts';
import type { ClosedRange, KeyType } from '../bounds.ts';
import { type Calendar, calendarOf, type Instant, instantOf, type Period } from '../calendar.ts';
import type { TableName } from '../catalog.ts';
import { fitted } from '../leaf-name.ts';
import { assertNoneBehind, attachRanges, cutoverOf } from './attach/cutover.ts';
import { attachSpecOf } from './attach/spec.ts';
import { captureParts } from './capture-parts.ts';
import { type Conversion, type ConversionSpec, installConversions, type PlannedIndex, partsOf } from './conversion.ts';
import type { Work } from './deps.ts';
import { extentOf, type LeavesAsked, leafNames, leafRanges } from './leaves.ts';
import { newTable } from './new-table.ts';
import { recordConversion } from './record.ts';
import { lostKeys, refusalsOf } from './refusals.ts';
import { registriesOf, registryParts } from './registry.ts';
import { nameSql, plainSettings, readSourceFacts, relationOid, type SourceFacts } from './source-facts.ts';
import type { Strategy } from './strategy.ts';
import { structureOf } from './structure.ts';
import { type UniqueChoice, withColumn } from './widen.ts';

/** What the operator asks for. */
export interface ConvertInput extends LeavesAsked {
  /** As typed, quoted as in SQL. */
  readonly table: string;
  readonly column: string;
  readonly period: Period;
  readonly unique: UniqueChoice | null;
  readonly strategy: Strategy;
  /** With `attach`, where the table ends as a partition; null: by the period, at least a week ahead. */
  readonly cutover: Date | null;
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
  const layout = await layoutOf(work, facts, calendar, input);
  const names = await leafNames(work.session, facts, calendar, layout.ranges);
  await installConversions(work.session, work.toolSchema);
  return prepare(work, input, { facts, names, ...layout });
}

/** Where partitions begin and end, by what the table holds; it is only read. */
async function layoutOf(
  { session }: Work,
  facts: SourceFacts,
  calendar: Calendar,
  input: ConvertInput,
): Promise<Pick<Prepared, 'ranges' | 'cutover'>> {
  await session.run(`BEGIN; ${plainSettings.text}; SET LOCAL row_security = off; SET LOCAL statement_timeout = 0`);
  try {
    const extent = await extentOf(session, facts, input.column);
    if (input.strategy === 'copy') return { ranges: leafRanges(calendar, extent, input), cutover: null };
    const cutover = input.cutover === null ? cutoverOf(calendar, extent, input) : instantOf(input.cutover);
    await assertNoneBehind(session, facts, { column: input.column, type: keyTypeOf(facts, input.column) }, cutover);
    return { ranges: attachRanges(calendar, cutover, input), cutover };
  } finally {
    await session.run('ROLLBACK').catch(() => {});
  }
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
  /** Null where rows are copied. */
  readonly cutover: Instant | null;
}

async function prepare(work: Work, input: ConvertInput, prepared: Prepared): Promise<Conversion> {
  const { facts, ranges, names, cutover } = prepared;
  return recordConversion(work, facts, async (id) => {
    const copying = specOf(facts, input, names, id);
    const spec = cutover === null ? copying : await attachSpecOf(work.session, facts, copying, cutover);
    const means =
      cutover === null
        ? [
            ...captureParts(facts, spec, partsOf(work.toolSchema, id)),
            ...(spec.registries ?? []).flatMap((registry) => registryParts(facts, registry)),
          ]
        : spec.indexes.map((index) => index.sql);
    return { spec, statements: [...newTable(facts, spec, ranges), ...means] };
  });
}

function specOf(facts: SourceFacts, input: ConvertInput, leaves: readonly TableName[], id: number): ConversionSpec {
  const quoted = (name: string) => ident(name).text;
  const newName = fitted(facts.name, `_new_${id}`);
  const primary = facts.indexes.find(({ constraint }) => constraint === 'p');
  const sequences = facts.columns.flatMap((column) =>
    column.sequence === null ? [] : [{ ...column, sequence: column.sequence }],
  );
  const registries = input.unique === 'registry' ? registriesOf(facts, lostKeys(facts, input.column), id) : [];
  return {
    key: { column: input.column, type: keyTypeOf(facts, input.column) },
    period: input.period,
    unique: input.unique,
    columns: facts.columns.filter(({ generated }) => !generated).map(({ name }) => quoted(name)),
    identifier: (primary?.columns ?? []).map((name) => quoted(name ?? '')),
    newName,
    oldName: fitted(facts.name, `_old_${id}`),
    leaves,
    indexes: plannedIndexes(facts, input, leaves, newName, id),
    registries,
    inbound: facts.dependents.flatMap(({ inbound }) => {
      if (inbound === null) return [];
      const registry = registries.find(({ key }) => key === inbound.key);
      return [{ ...inbound, to: registry === undefined ? null : { schema: registry.schema, name: registry.name } }];
    }),
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

function keyTypeOf({ columns }: SourceFacts, column: string): KeyType {
  const type = columns.find(({ name }) => name === column)?.type;
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
