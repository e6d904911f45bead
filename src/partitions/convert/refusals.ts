import { keyTypes } from '../bounds.ts';
import type { SourceFacts } from './source-facts.ts';
import type { Strategy } from './strategy.ts';
import type { UniqueChoice } from './widen.ts';

export interface Wanted {
  readonly column: string;
  readonly unique: UniqueChoice | null;
  readonly strategy: Strategy;
}

/** Why a table cannot be converted, each with what to do about it. */
export interface Refusal {
  readonly message: string;
  readonly hint: string;
}

/**
 * Everything that stands against a conversion; empty where it can begin. What is not known to be kept is refused:
 * a dependent of a kind that this list does not name is one of them.
 */
export function refusalsOf(facts: SourceFacts, wanted: Wanted): readonly Refusal[] {
  const about = aboutTheTable(facts);
  // Of what is no ordinary table the rest says nothing.
  if (facts.kind !== 'r') return about.slice(0, 1);
  return [
    ...about,
    ...aboutTheKey(facts, wanted),
    ...aboutIndexes(facts, wanted),
    ...aboutConstraints(facts),
    ...aboutTriggers(facts, wanted),
    ...aboutReplication(facts),
    ...aboutDependents(facts),
    ...aboutInbound(facts, wanted),
  ];
}

type Rule = readonly [isRefused: boolean, message: string, hint: string];

export function told(rules: readonly Rule[]): Refusal[] {
  return rules.filter(([isRefused]) => isRefused).map(([, message, hint]) => ({ message, hint }));
}

const another = 'name an ordinary table';

function aboutTheTable(facts: SourceFacts): Refusal[] {
  const { kind, options } = facts;
  return told([
    [kind === 'p', 'it is partitioned already', 'pulse-migrate partition list'],
    [kind !== 'r' && kind !== 'p', 'it is no table', another],
    [facts.system, 'it belongs to the server', another],
    [facts.isPartition, 'it is a partition of another table', 'name the table it belongs to'],
    [
      facts.inherits && !facts.isPartition,
      'it inherits from a table, or another inherits from it',
      'take the inheritance away: ALTER TABLE … NO INHERIT',
    ],
    [facts.typed, 'it is a table OF a type', 'ALTER TABLE … NOT OF'],
    [facts.persistence !== 'p', 'it is temporary or UNLOGGED', 'ALTER TABLE … SET LOGGED'],
    [facts.extension !== null, `it belongs to the extension ${facts.extension}`, another],
    [
      facts.labelled,
      'it has a security label, which would be lost',
      'take the label away and give it again afterwards',
    ],
    [
      !facts.owned,
      `it belongs to the role ${facts.owner}`,
      `connect as that role, or as a member: GRANT ${facts.owner} TO …`,
    ],
    [
      facts.forceRowSecurity && !facts.bypassesRls,
      'FORCE ROW LEVEL SECURITY would hide rows from the copy',
      'connect as a role with BYPASSRLS',
    ],
    [
      options?.includes('user_catalog_table') === true,
      'user_catalog_table cannot be kept',
      'ALTER TABLE … RESET (user_catalog_table)',
    ],
  ]);
}

function aboutTheKey(facts: SourceFacts, { column }: Wanted): Refusal[] {
  const key = facts.columns.find(({ name }) => name === column);
  if (key === undefined)
    return told([[true, `it has no column ${column}`, 'name the column with --by, as \\d shows it']]);
  const primary = facts.indexes.find(({ constraint }) => constraint === 'p');
  const odd = (primary?.columns ?? []).filter((name) => isOwnType(facts, name));
  return told([
    [
      !keyTypes.some((type) => key.type === longTypeNames[type]),
      `${column} is ${key.type}, neither a date nor a time`,
      `--by takes a column of type ${Object.values(longTypeNames).join(', ')}`,
    ],
    [
      !key.notNull,
      `${column} can be NULL, and no partition takes a NULL`,
      `fill it, then: ALTER TABLE ${facts.name} ALTER COLUMN ${column} SET NOT NULL`,
    ],
    [
      key.generated,
      `${column} is a generated column, which cannot be a partition key`,
      'name another column with --by',
    ],
    [
      primary === undefined,
      'it has no primary key, by which changed rows are known',
      `ALTER TABLE ${facts.name} ADD PRIMARY KEY (…)`,
    ],
    [
      odd.length > 0,
      `the type of ${odd.join(', ')} in its primary key is not one of the server's own`,
      'such a table cannot be converted yet',
    ],
  ]);
}

/** As `format_type` writes them. */
const longTypeNames = {
  date: 'date',
  timestamp: 'timestamp without time zone',
  timestamptz: 'timestamp with time zone',
} as const;

/** Unique keys that cannot be what they are on a table partitioned by the column. */
export function lostKeys(facts: SourceFacts, column: string): SourceFacts['indexes'] {
  return facts.indexes.filter(({ unique, columns }) => unique && !columns.includes(column));
}

export function isOwnType({ columns }: SourceFacts, name: string | null): boolean {
  return columns.some((of) => of.name === name && of.ownType);
}

function aboutIndexes(facts: SourceFacts, { column, unique, strategy }: Wanted): Refusal[] {
  const lost = lostKeys(facts, column);
  return [
    ...told([
      [
        unique === 'registry' && strategy === 'attach' && lost.length > 0,
        'a registry is filled from rows that are copied, and with --strategy attach none is',
        'choose --unique widen or per-leaf, or --strategy copy',
      ],
    ]),
    ...facts.indexes.flatMap((index) =>
      told([
        [
          index.constraint === 'x',
          `${index.name} is an exclusion constraint, which a partitioned table cannot have on every version`,
          `drop it: ALTER TABLE ${facts.name} DROP CONSTRAINT ${index.name}`,
        ],
        [
          !index.valid,
          `the index ${index.name} is INVALID`,
          `rebuild or drop it: REINDEX INDEX CONCURRENTLY ${index.name}`,
        ],
        [
          index.unique && index.using.slice(0, 12) !== 'USING btree ',
          `the unique index ${index.name} is no btree`,
          'such a table cannot be converted yet',
        ],
        [
          unique === 'registry' &&
            lost.includes(index) &&
            !(index.plain && index.columns.every((name) => !isOwnType(facts, name))),
          `${index.name} is no key that a registry can hold: it has an expression, a condition, NULLS NOT DISTINCT, a collation or type of its own, or is deferrable`,
          'choose --unique widen or per-leaf',
        ],
      ]),
    ),
    ...(unique === null && lost.length > 0
      ? [
          {
            message: `${lost.map(({ name, definition }) => `${name} ${definition.replace('USING btree ', '')}`).join(', ')} cannot be unique across partitions by ${column}`,
            hint: `choose: --unique widen (${column} becomes part of each such key: equal rows at another time pass, and ON CONFLICT has to name it too), or --unique per-leaf (the same, and within one partition the old key stays unique), or --unique registry (the old key stays unique over all partitions, by triggers and a table of keys; ON CONFLICT does not see it)`,
          },
        ]
      : []),
  ];
}

function aboutConstraints(facts: SourceFacts): Refusal[] {
  return [
    ...facts.checks.flatMap(({ name, valid, inherited }) =>
      told([
        [!valid, `CHECK ${name} is NOT VALID`, `ALTER TABLE ${facts.name} VALIDATE CONSTRAINT ${name}`],
        [
          !inherited,
          `CHECK ${name} is NO INHERIT, which a partitioned table cannot have`,
          `make it again without NO INHERIT`,
        ],
      ]),
    ),
    ...facts.foreignKeys.flatMap(({ name, valid, self, allowed, references }) =>
      told([
        [!valid, `foreign key ${name} is NOT VALID`, `ALTER TABLE ${facts.name} VALIDATE CONSTRAINT ${name}`],
        [
          !allowed,
          `foreign key ${name} refers to ${references.name}, which this role may not lock`,
          `GRANT UPDATE, REFERENCES ON ${references.name} TO the role, or connect as its owner`,
        ],
        [self, `foreign key ${name} refers to the table itself`, 'such a table cannot be converted yet'],
      ]),
    ),
  ];
}

function aboutTriggers(facts: SourceFacts, { column }: Wanted): Refusal[] {
  return facts.triggers.flatMap(({ name, enabled, row, before, transition, constraint, source }) =>
    told([
      [
        enabled !== 'O',
        `trigger ${name} is not enabled in the ordinary way`,
        `ALTER TABLE ${facts.name} ENABLE TRIGGER ${name}, or drop it`,
      ],
      [
        row && transition,
        `trigger ${name} is FOR EACH ROW with transition tables, which a partitioned table cannot have`,
        'make it FOR EACH STATEMENT',
      ],
      [constraint, `${name} is a constraint trigger`, 'such a table cannot be converted yet'],
      [
        row && before && (source === null || mentions(source, column)),
        `trigger ${name} works on rows before they are written and may change ${column}, which would move them to another partition: an error there`,
        `take ${column} out of its function, or drop the trigger`,
      ],
    ]),
  );
}

function mentions(source: string, column: string): boolean {
  return source.toLowerCase().includes(column.toLowerCase());
}

function aboutReplication(facts: SourceFacts): Refusal[] {
  return [
    ...told([
      [
        facts.subscribed,
        'a subscription writes to it, whose changes would not be captured',
        'convert it when the subscription is gone',
      ],
      [
        facts.replicaIdentity === 'i',
        'its replica identity is an index',
        `ALTER TABLE ${facts.name} REPLICA IDENTITY DEFAULT`,
      ],
    ]),
    ...facts.publications.flatMap(({ name, viaRoot, all, plain, owned }) =>
      told([
        [
          all,
          `publication ${name} takes every table of the database or schema, the work in progress too`,
          `list the tables: CREATE PUBLICATION … FOR TABLE`,
        ],
        [
          !viaRoot,
          `publication ${name} would publish the partitions under their own names`,
          `ALTER PUBLICATION ${name} SET (publish_via_partition_root = true)`,
        ],
        [!owned, `publication ${name} belongs to another role`, 'connect as a member of both roles'],
        [
          !plain,
          `publication ${name} has a row filter or a list of columns for it`,
          'such a table cannot be converted yet',
        ],
      ]),
    ),
  ];
}

function aboutDependents(facts: SourceFacts): Refusal[] {
  return facts.dependents.flatMap(({ kind, described, owned }) =>
    told([
      [
        kind === 'other',
        `${described} depends on it and would go on with the old table`,
        'drop it first and make it again afterwards',
      ],
      [
        (kind === 'view' || kind === 'function') && !owned,
        `${described} depends on it and belongs to another role`,
        'connect as a member of both roles',
      ],
    ]),
  );
}

/** A foreign key refers to what is unique over all partitions: a key with the time, or the table of a registry. */
function aboutInbound(facts: SourceFacts, { column, unique, strategy }: Wanted): Refusal[] {
  return facts.dependents.flatMap(({ inbound, owned, described }) => {
    if (inbound === null) return [];
    const { name, table, columns, valid, plain, passive } = inbound;
    const isLost = !columns.includes(column);
    return told([
      [
        isLost && (unique !== 'registry' || strategy === 'attach'),
        `${described} refers to it by ${columns.join(', ')}, which is not unique over all partitions`,
        `choose --unique registry${strategy === 'attach' ? ' with --strategy copy' : ''}, to which it can refer instead, or drop that foreign key first`,
      ],
      [
        isLost && unique === 'registry' && !passive,
        `${described} acts when a row is deleted or its key changes, and a row that goes to another partition counts as deleted in a registry`,
        'make it ON DELETE NO ACTION ON UPDATE NO ACTION, or drop it first',
      ],
      [!plain, `${described} stands on a partitioned table`, 'drop that foreign key first'],
      [!valid, `${described} is NOT VALID`, `ALTER TABLE ${table.name} VALIDATE CONSTRAINT ${name}`],
      [!owned, `${described} belongs to another role`, 'connect as a member of both roles'],
    ]);
  });
}
