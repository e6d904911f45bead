import { PulseError } from '../../../errors.ts';
import type { Session } from '../../../postgres/session.ts';
import { sql } from '../../../postgres/sql.ts';
import { parseBound, type Range } from '../../bounds.ts';
import { type PartitionedTable, readPartitionedTables, utcSettings } from '../../catalog.ts';
import { typedName } from '../../shown-name.ts';
import { readConversions } from '../conversion.ts';
import { isOwnType, lostKeys, type Refusal, told } from '../refusals.ts';
import { readSourceFacts, type SourceFacts } from '../source-facts.ts';

/** A partition that can be cut, with the table it belongs to. */
export interface Splittable {
  readonly facts: SourceFacts;
  readonly parent: SourceFacts;
  readonly table: PartitionedTable;
  readonly range: Range;
  /** As the server writes it. */
  readonly bound: string;
}

interface Row {
  readonly parent: number;
  readonly bound: string;
  readonly pending: boolean;
}

/** What the operator asks for that the refusals depend on. */
export interface SplitWanted {
  /** Keys that hold within the partition alone may from then on hold within each of the new ones. */
  readonly unique: 'per-leaf' | null;
}

/**
 * Reads a partition and its table.
 * @throws {PulseError} `not-possible` with everything that stands against a split; nothing is written.
 */
export async function readSplittable(
  session: Session,
  toolSchema: string,
  oid: number,
  wanted: SplitWanted,
): Promise<Splittable> {
  const facts = await readSourceFacts(session, oid, toolSchema);
  const [row] = await session.rows<Row & Record<string, unknown>>(sql`${utcSettings};
SELECT i.inhparent::pg_catalog.int8::pg_catalog.float8 AS parent, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound,
  EXISTS (SELECT FROM pg_catalog.pg_inherits AS o WHERE o.inhparent = i.inhparent AND o.inhdetachpending) AS pending
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = c.oid
WHERE c.oid = ${oid}::pg_catalog.oid AND c.relispartition`);
  const parent = row === undefined ? null : await readSourceFacts(session, row.parent, toolSchema);
  if (facts === null || row === undefined || parent === null) {
    throw new PulseError('not-possible', `${facts === null ? 'it' : shown(facts)} is no partition of a table`, {
      hint: 'pulse-migrate partition list shows all partitions',
    });
  }
  const [table] = await readPartitionedTables(session, [row.parent]);
  const range = parseBound(row.bound);
  if (table === undefined || 'why' in table || range === null || range === 'default') {
    throw new PulseError(
      'not-possible',
      `${shown(facts)} cannot be split: ${range === 'default' ? 'it is the DEFAULT partition' : table !== undefined && 'why' in table ? table.why : 'its bounds are no range of times'}`,
      {
        hint:
          range === 'default'
            ? `its rows get partitions of their own with: pulse-migrate partition drain ${typedName(parent)}`
            : 'pulse-migrate partition list shows which tables are partitioned by time',
      },
    );
  }
  const open = await readConversions(
    session,
    toolSchema,
    sql`ended_at IS NULL AND ${row.parent}::pg_catalog.int8 IN (source_oid::pg_catalog.int8, target_oid::pg_catalog.int8)`,
  );
  const refusals = [
    ...told([
      [
        open.length > 0,
        'the conversion of its table is not finished, and its way back needs the partition as it is',
        `pulse-migrate partition finish ${typedName(parent)} --i-know`,
      ],
      [
        row.pending,
        'a DETACH … CONCURRENTLY of its table was cut off',
        `pulse-migrate partition detach ${typedName(parent)}`,
      ],
    ]),
    ...refusalsOf(facts, parent, table, wanted),
  ];
  const [first] = refusals;
  if (first === undefined) return { facts, parent, table, range, bound: row.bound };
  throw new PulseError(
    'not-possible',
    `${shown(facts)} cannot be split: ${refusals.map(({ message }) => message).join('; ')}`,
    {
      hint: refusals.length === 1 ? first.hint : 'see what helps against each below; nothing was changed',
      ...(refusals.length > 1 && { problems: refusals }),
    },
  );
}

const shown = ({ schema, name }: SourceFacts) => `${schema}.${name}`;

function refusalsOf(
  facts: SourceFacts,
  parent: SourceFacts,
  table: PartitionedTable,
  { unique }: SplitWanted,
): Refusal[] {
  if (facts.kind !== 'r') return told([[true, 'it is no ordinary table', 'name a partition that holds rows itself']]);
  return [
    ...aboutTables(facts, parent, table),
    ...aboutKeys(facts, table.key.column, unique),
    ...aboutForeignKeys([...facts.foreignKeys, ...parent.foreignKeys]),
    ...[...facts.dependents, ...parent.dependents.filter(({ kind }) => kind === 'inbound')].flatMap(({ described }) =>
      told([
        [
          true,
          `${described} refers to it, and would go on with the old partition`,
          'drop it first, and make it again afterwards',
        ],
      ]),
    ),
  ];
}

function aboutTables(facts: SourceFacts, parent: SourceFacts, table: PartitionedTable): Refusal[] {
  const all = [facts, parent];
  return told([
    ...all.map(
      ({ owned, owner, name }) =>
        [
          !owned,
          `${name} belongs to the role ${owner}`,
          `connect as that role, or as a member: GRANT ${owner} TO …`,
        ] as const,
    ),
    [parent.isPartition, `${parent.name} is a partition itself`, 'only partitions of the topmost table can be split'],
    [facts.persistence !== 'p', 'it is UNLOGGED', `ALTER TABLE ${facts.name} SET LOGGED`],
    [facts.labelled, 'it has a security label, which would be lost', 'take it away and give it again afterwards'],
    [
      facts.forceRowSecurity && !facts.bypassesRls,
      'FORCE ROW LEVEL SECURITY would hide rows from the copy',
      'connect as a role with BYPASSRLS',
    ],
    [facts.subscribed, 'a subscription writes to it', 'split it when the subscription is gone'],
    [
      facts.publications.some(({ all: everything }) => everything),
      'a publication takes every table of the database or schema, the work in progress too',
      'list the tables: CREATE PUBLICATION … FOR TABLE',
    ],
    [
      parent.foreignKeys.length > 0 && table.partitions.some(({ isTable }) => !isTable),
      `${parent.name} has foreign keys, and partitions that are partitioned themselves`,
      'such a table cannot be split yet',
    ],
    ...facts.checks.map(
      ({ name, valid }) =>
        [!valid, `CHECK ${name} is NOT VALID`, `ALTER TABLE ${facts.name} VALIDATE CONSTRAINT ${name}`] as const,
    ),
    ...facts.triggers.map(
      ({ name, enabled }) =>
        [
          enabled !== 'O',
          `its trigger ${name} is not enabled in the ordinary way`,
          `ALTER TABLE ${facts.name} ENABLE TRIGGER ${name}, or drop it`,
        ] as const,
    ),
  ]);
}

function aboutKeys(facts: SourceFacts, column: string, unique: SplitWanted['unique']): Refusal[] {
  const primary = facts.indexes.find(({ constraint }) => constraint === 'p');
  const odd = (primary?.columns ?? []).filter((name) => isOwnType(facts, name));
  const lost = lostKeys(facts, column);
  return told([
    [
      primary === undefined,
      'it has no primary key, by which changed rows are known',
      `ALTER TABLE ${facts.name} ADD PRIMARY KEY (…)`,
    ],
    [
      odd.length > 0,
      `the type of ${odd.join(', ')} in its primary key is not one of the server's own`,
      'such a table cannot be split yet',
    ],
    ...facts.indexes.map(
      ({ name, valid }) =>
        [!valid, `the index ${name} is INVALID`, `rebuild or drop it: REINDEX INDEX CONCURRENTLY ${name}`] as const,
    ),
    [
      unique === null && lost.length > 0,
      `${lost.map(({ name }) => name).join(', ')} would hold within each new partition, and not within all that was this one`,
      'accept that with --unique per-leaf, or drop it',
    ],
  ]);
}

function aboutForeignKeys(keys: SourceFacts['foreignKeys']): Refusal[] {
  return keys.flatMap(({ name, valid, self, allowed, references }) =>
    told([
      [!valid, `foreign key ${name} is NOT VALID`, `validate it: ALTER TABLE … VALIDATE CONSTRAINT ${name}`],
      [
        !allowed,
        `foreign key ${name} refers to ${references.name}, which this role may not lock`,
        `GRANT UPDATE, REFERENCES ON ${references.name} TO the role, or connect as its owner`,
      ],
      [self, `foreign key ${name} refers to the table itself`, 'such a table cannot be split yet'],
    ]),
  );
}
