import { PulseError } from '../../../errors.ts';
import { ident, raw, sql } from '../../../postgres/sql.ts';
import { boundLiteral, type Range } from '../../bounds.ts';
import { type Calendar, calendarOf, isoOf, type Period } from '../../calendar.ts';
import type { PartitionedTable, TableName } from '../../catalog.ts';
import { fitted, leafName } from '../../leaf-name.ts';
import { calendarOfPartitions } from '../../list.ts';
import { statementsApart } from '../../new-partition.ts';
import { typedName } from '../../shown-name.ts';
import { captureParts } from '../capture-parts.ts';
import { type Conversion, type ConversionSpec, installConversions, partsOf } from '../conversion.ts';
import type { Work } from '../deps.ts';
import { extentOf, freeNames } from '../leaves.ts';
import { type Decided, recordConversion } from '../record.ts';
import { type IndexFact, nameSql, plainSettings, relationOid } from '../source-facts.ts';
import { structureOf } from '../structure.ts';
import { type Piece, piecesOf } from './ranges.ts';
import { rangeCheck, type SplitSpec } from './spec.ts';
import { readSplittable, type Splittable } from './splittable.ts';

export interface SplitInput {
  /** The partition as typed, quoted as in SQL. */
  readonly partition: string;
  /** Null: as the other partitions show. */
  readonly period: Period | null;
  readonly unique: 'per-leaf' | null;
  /** How long the partition is kept, apart from its table, milliseconds. */
  readonly retainMs: number;
}

/** What a split would make. */
export interface SplitPlan extends TableName {
  readonly table: TableName;
  readonly period: Period;
  /** Bounds in ISO 8601, UTC; null where they are open. */
  readonly partitions: ReadonlyArray<TableName & { readonly from: string | null; readonly to: string | null }>;
}

interface Layout extends Splittable {
  readonly calendar: Calendar;
  readonly pieces: readonly Piece[];
  readonly names: readonly TableName[];
}

/** What `beginSplit` would make; nothing is written. Throws as that does. */
export async function planSplit(work: Pick<Work, 'session' | 'toolSchema'>, input: SplitInput): Promise<SplitPlan> {
  const { facts, table, calendar, pieces, names } = await layoutOf(work, input);
  const edge = (at: Range['from']) => (at === null ? null : isoOf(at));
  return {
    schema: facts.schema,
    name: facts.name,
    table: { schema: table.schema, name: table.name },
    period: calendar.period,
    partitions: names.map((name, at) => ({
      ...name,
      from: edge(pieces[at]?.from ?? null),
      to: edge(pieces[at]?.to ?? null),
    })),
  };
}

/**
 * Looks whether the partition can be cut, and makes the smaller ones apart from the table in one transaction: without
 * indexes, each with the CHECK of its range, behind a table that leads rows to them. Nothing that a client uses is locked.
 * @throws {PulseError} `not-possible` with everything that stands against it; nothing is written then.
 */
export async function beginSplit(work: Work, input: SplitInput): Promise<Conversion> {
  const layout = await layoutOf(work, input);
  await installConversions(work.session, work.toolSchema);
  return recordConversion(work, layout.facts, (id) => decide(work, input, layout, id));
}

async function layoutOf(
  { session, toolSchema }: Pick<Work, 'session' | 'toolSchema'>,
  input: SplitInput,
): Promise<Layout> {
  const oid = await relationOid(session, input.partition);
  if (oid === null) {
    throw new PulseError('not-possible', `there is no partition ${input.partition}`, {
      hint: 'name it with its schema where search_path does not hold that; pulse-migrate partition list shows all of them',
    });
  }
  const splittable = await readSplittable(session, toolSchema, oid, input);
  const { facts, table, range } = splittable;
  const others = { ...table, partitions: table.partitions.filter(({ name }) => name !== facts.name) };
  const calendar = input.period === null ? calendarOfPartitions(others) : calendarOf(input.period);
  if (calendar === null) {
    throw new PulseError('usage', `the other partitions of ${table.name} show no period`, {
      hint: `name it: pulse-migrate partition split ${typedName(facts)} --period month`,
    });
  }
  await session.run(`BEGIN; ${plainSettings.text}; SET LOCAL row_security = off; SET LOCAL statement_timeout = 0`);
  try {
    const pieces = piecesOf(calendar, { ...facts, range }, await extentOf(session, facts, table.key.column));
    const wanted = pieces.map(({ named }) => leafName(table.name, calendar, named, namedStarts(others)));
    const names = (await freeNames(session, facts.schema, wanted)).map((name) => ({ schema: facts.schema, name }));
    return { ...splittable, calendar, pieces, names };
  } finally {
    await session.run('ROLLBACK').catch(() => {});
  }
}

function namedStarts({ partitions }: PartitionedTable) {
  return partitions
    .toReversed()
    .flatMap(({ name, range }) => (range.from === null ? [] : [{ name, from: range.from }]));
}

/** What waits until the new partitions are in use: before that it would act on rows that are copied. */
const latePurposes = ['a trigger of the partitions', 'a publication of the partitions', 'replica identity'];

async function decide({ session, toolSchema }: Work, input: SplitInput, layout: Layout, id: number): Promise<Decided> {
  const { facts, table, names } = layout;
  const { key } = table;
  const newName = fitted(facts.name, `_new_${id}`);
  const target = nameSql({ schema: facts.schema, name: newName });
  const split = splitSpecOf(layout);
  const made: string[] = [];
  const late: string[] = [];
  for (const [at, leaf] of names.entries()) {
    const apart = await statementsApart(session, { key }, facts, leaf, 'without indexes');
    for (const { purpose, sql: statement } of apart) (latePurposes.includes(purpose) ? late : made).push(statement);
    made.push(
      `ALTER TABLE ${nameSql(leaf)} ADD CONSTRAINT ${rangeCheck} CHECK (${split.checks[at]})`,
      `ALTER TABLE ${target} ATTACH PARTITION ${nameSql(leaf)} ${split.bounds[at]}`,
    );
  }
  const primary = facts.indexes.find(({ constraint }) => constraint === 'p');
  const spec: ConversionSpec = {
    key,
    period: layout.calendar.period,
    unique: input.unique,
    columns: facts.columns.filter(({ generated }) => !generated).map(({ name }) => ident(name).text),
    identifier: (primary?.columns ?? []).map((name) => ident(name ?? '').text),
    newName,
    oldName: fitted(facts.name, `_old_${id}`),
    leaves: names,
    // Each in a transaction of its own, so that a run that is killed has one of them to build again.
    indexes: names.flatMap((leaf) =>
      facts.indexes.map((index) => ({
        ...{ name: index.name, newName: index.name, oldName: index.name },
        isConstraint: index.constraint !== null,
        sql: indexOn(leaf, index),
      })),
    ),
    identities: [],
    serials: [],
    foreignKeys: [...layout.parent.foreignKeys, ...facts.foreignKeys].map(({ name, definition, references }) => ({
      name,
      definition,
      references,
    })),
    publications: facts.publications.map(({ name }) => name),
    retainMs: input.retainMs,
    structure: structureOf(facts),
    split: { ...split, late },
  };
  const statements = [
    `CREATE TABLE ${target} (LIKE ${nameSql(facts)} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY EXCLUDING CONSTRAINTS EXCLUDING STATISTICS EXCLUDING COMMENTS) PARTITION BY RANGE (${ident(key.column).text})`,
    `ALTER TABLE ${target} OWNER TO ${ident(facts.owner).text}`,
    ...made,
    ...captureParts(facts, spec, partsOf(toolSchema, id)),
  ];
  return { spec, statements };
}

function indexOn(leaf: TableName, { constraint, unique, using, definition }: IndexFact): string {
  return constraint === null
    ? `CREATE ${unique ? 'UNIQUE ' : ''}INDEX ON ${nameSql(leaf)} ${using}`
    : `ALTER TABLE ${nameSql(leaf)} ADD ${definition}`;
}

function splitSpecOf({ parent, table, bound, range, pieces }: Layout): Omit<SplitSpec, 'late'> {
  const { type } = table.key;
  // The outer ends as the server wrote them: MINVALUE is not the same as -infinity.
  const [, lowest = 'MINVALUE', highest = 'MAXVALUE'] = /^FOR VALUES FROM \((.+)\) TO \((.+)\)$/.exec(bound) ?? [];
  const last = pieces.length - 1;
  const end = (at: Range['from']) => (at === null ? '' : sql`${boundLiteral(type, at)}`.text);
  return {
    parent: { oid: table.oid, schema: table.schema, name: table.name },
    bound,
    bounds: pieces.map(
      ({ from, to }, at) =>
        `FOR VALUES FROM (${at === 0 ? lowest : end(from)}) TO (${at === last ? highest : end(to)})`,
    ),
    checks: pieces.map((piece) => conditionOf(table, piece, 'AND')),
    apart:
      table.defaultPartition === null
        ? null
        : { table: table.defaultPartition, condition: conditionOf(table, range, 'OR') },
    parentKeys: parent.foreignKeys.map(({ name }) => name),
    parentStructure: structureOf(parent),
  };
}

/** AND: within the range; OR: outside of it. */
function conditionOf({ key }: PartitionedTable, { from, to }: Range, link: 'AND' | 'OR'): string {
  const column = ident(key.column);
  const at = (instant: bigint) => raw(`${sql`${boundLiteral(key.type, instant)}`.text}::pg_catalog.${key.type}`);
  const [lower, upper] = link === 'AND' ? ['>=', '<'] : ['<', '>='];
  return (
    [
      ...(from === null ? [] : [sql`${column} ${raw(lower)} ${at(from)}`.text]),
      ...(to === null ? [] : [sql`${column} ${raw(upper)} ${at(to)}`.text]),
    ].join(` ${link} `) || String(link === 'AND')
  );
}
