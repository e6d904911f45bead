import { PulseError } from '../../errors.ts';
import { StatementError } from '../../postgres/errors.ts';
import type { Session } from '../../postgres/session.ts';
import { ident, raw, type Sql, sql } from '../../postgres/sql.ts';
import type { KeyType } from '../bounds.ts';
import type { Period } from '../calendar.ts';
import type { TableName } from '../catalog.ts';
import type { AttachSpec } from './attach/spec.ts';
import type { Registry } from './registry.ts';
import type { InboundFact } from './source-facts.ts';
import type { SplitSpec } from './split/spec.ts';
import type { UniqueChoice } from './widen.ts';

/**
 * Where a conversion is. `finishing`, `rolled-back` and `aborted` may still have something to be cleared away: a
 * conversion is over when `endedAt` is set.
 */
export const phases = [
  'prepared',
  'copying',
  'indexing',
  'replaying',
  'swapped',
  'completed',
  'finishing',
  'finished',
  'rolled-back',
  'aborted',
] as const;
export type Phase = (typeof phases)[number];

/** An index of the table: what it is called, on the new table until the swap, and on the old one behind it. */
export interface PlannedIndex {
  readonly name: string;
  readonly newName: string;
  readonly oldName: string;
  readonly isConstraint: boolean;
  /** Makes it on the new table and all its partitions. */
  readonly sql: string;
}

/** What was decided when the conversion began; never changed afterwards. */
export interface ConversionSpec {
  readonly key: { readonly column: string; readonly type: KeyType };
  readonly period: Period;
  readonly unique: UniqueChoice | null;
  /** Columns that are written, quoted; generated ones are not among them. */
  readonly columns: readonly string[];
  /** The columns of the primary key, quoted. */
  readonly identifier: readonly string[];
  /** The table that is made, until the swap. */
  readonly newName: string;
  /** The table that was, from the swap on; with `attach` the partition that it is then. */
  readonly oldName: string;
  /** Of a conversion that makes the table itself the first partition; one that copies has none. */
  readonly attach?: AttachSpec;
  /** Of a partition that is cut into smaller ones. */
  readonly split?: SplitSpec;
  readonly leaves: readonly TableName[];
  /** The partitions as they came into use with the exchange, by which one that was dropped and made again is known. */
  readonly exchanged?: ReadonlyArray<TableName & { readonly oid: number }>;
  readonly indexes: readonly PlannedIndex[];
  /** For keys that are kept unique over all partitions; of a conversion that was begun by an older version there are none. */
  readonly registries?: readonly Registry[];
  /** Sequences of identity columns: theirs until the swap is `newName`, the old one's afterwards `oldName`. */
  readonly identities: ReadonlyArray<{
    readonly column: string;
    readonly sequence: TableName;
    readonly newName: string;
    readonly oldName: string;
  }>;
  /** Sequences that a column owns and its default names. */
  readonly serials: ReadonlyArray<{ readonly column: string; readonly sequence: TableName }>;
  /** As `FOREIGN KEY (…) REFERENCES …`; they stand on whichever table is live. */
  readonly foreignKeys: ReadonlyArray<{
    readonly name: string;
    readonly definition: string;
    readonly references: TableName;
  }>;
  /** Foreign keys of other tables: `to` is the registry that they refer to behind the exchange, or null for the table. */
  readonly inbound?: ReadonlyArray<InboundFact & { readonly to: TableName | null }>;
  /** Publications that the live table is a member of. */
  readonly publications: readonly string[];
  /** How long the old table is kept after the swap. */
  readonly retainMs: number;
  /** What the table looked like, to be compared. */
  readonly structure: string;
}

/** One conversion as its row says. */
export interface Conversion extends TableName {
  readonly id: number;
  readonly sourceOid: number;
  readonly targetOid: number;
  readonly phase: Phase;
  readonly spec: ConversionSpec;
  readonly filenode: number;
  readonly blocks: number;
  readonly nextBlock: number;
  readonly rowsCopied: number;
  readonly copyMs: number;
  readonly indexesBuilt: number;
  readonly worstLockMs: number;
  readonly startedAt: string;
  readonly swappedAt: string | null;
  readonly endedAt: string | null;
  readonly lastError: string | null;
  /** By the server's clock. */
  readonly mayFinish: boolean;
}

/** The table of conversions, in the tool's schema. */
export const conversionTable = 'partition_conversion';

/** Names of what one conversion has in the tool's schema. */
export const partsOf = (schema: string, id: number) => ({
  /** Keys of rows that were written since the capture began. */
  log: ident(schema, `conversion_${id}_log`).text,
  /** Keys of rows that were written since the swap. */
  reverseLog: ident(schema, `conversion_${id}_reverse_log`).text,
  capture: ident(schema, `conversion_${id}_capture`).text,
  reverseCapture: ident(schema, `conversion_${id}_reverse_capture`).text,
  guard: ident(schema, `conversion_${id}_guard`).text,
});

/** Makes the table of conversions where it is not there. Several at once do no harm. */
export async function installConversions(session: Session, schema: string): Promise<void> {
  const table = ident(schema, conversionTable);
  const [there] = await session.rows<{ there: boolean }>(
    sql`SELECT pg_catalog.to_regclass(${table.text}) IS NOT NULL AS there`,
  );
  if (there?.there === true) return;
  const [namespace] = await session.rows<{ there: boolean }>(
    sql`SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = ${schema}) AS there`,
  );
  // The right to create a schema is asked for even where IF NOT EXISTS has nothing to do.
  const create = namespace?.there === true ? '' : `CREATE SCHEMA IF NOT EXISTS ${ident(schema).text};`;
  try {
    await session.run(`BEGIN; ${create} CREATE TABLE IF NOT EXISTS ${table.text} (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source_oid    oid    NOT NULL,
  target_oid    oid    NOT NULL DEFAULT 0,
  schema_name   text   NOT NULL,
  table_name    text   NOT NULL,
  phase         text   NOT NULL CHECK (phase IN (${phases.map((phase) => `'${phase}'`).join(', ')})),
  spec          jsonb  NOT NULL,
  filenode      bigint NOT NULL DEFAULT 0,
  blocks        bigint NOT NULL DEFAULT 0,
  next_block    bigint NOT NULL DEFAULT 0,
  rows_copied   bigint NOT NULL DEFAULT 0,
  copy_ms       double precision NOT NULL DEFAULT 0,
  indexes_built integer NOT NULL DEFAULT 0,
  worst_lock_ms double precision NOT NULL DEFAULT 0,
  started_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  swapped_at    timestamptz,
  ended_at      timestamptz,
  last_error    text,
  role          text   NOT NULL DEFAULT session_user,
  tool_version  text   NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS partition_conversion_one_idx ON ${table.text} (schema_name, table_name) WHERE ended_at IS NULL;
COMMENT ON TABLE ${table.text} IS 'Conversions of tables to partitions: where each is, changed in the transaction of the work itself.';
COMMIT`);
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    // Another one has been faster.
    if (!(error instanceof StatementError && ['23505', '42P07', '42P06', '42710'].includes(error.sqlstate)))
      throw error;
  }
}

/** In ISO 8601, whatever zone the role or the database has. */
const utc = (column: string) =>
  raw(`pg_catalog.to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`);

/** Conversions that are not over, or also those that are; the latest first. */
export async function readConversions(session: Session, schema: string, where: Sql): Promise<readonly Conversion[]> {
  const table = ident(schema, conversionTable);
  const [there] = await session.rows<{ there: boolean }>(
    sql`SELECT pg_catalog.to_regclass(${table.text}) IS NOT NULL AS there`,
  );
  if (there?.there !== true) return [];
  const rows = await session.rows<{ conversion: Conversion }>(sql`SELECT pg_catalog.json_build_object(
  'id', id, 'sourceOid', source_oid::pg_catalog.int8, 'targetOid', target_oid::pg_catalog.int8, 'schema', schema_name, 'name', table_name,
  'phase', phase, 'spec', spec, 'filenode', filenode, 'blocks', blocks, 'nextBlock', next_block, 'rowsCopied', rows_copied, 'copyMs', copy_ms,
  'indexesBuilt', indexes_built, 'worstLockMs', worst_lock_ms, 'startedAt', ${utc('started_at')}, 'swappedAt', ${utc('swapped_at')}, 'endedAt', ${utc('ended_at')},
  'lastError', last_error, 'mayFinish', COALESCE(pg_catalog.clock_timestamp() >= swapped_at
    + pg_catalog.make_interval(secs => (spec ->> 'retainMs')::pg_catalog.float8 / 1000), false)) AS conversion
FROM ${table} WHERE ${where} ORDER BY id DESC`);
  return rows.map(({ conversion }) => conversion);
}

/** The conversion anew. */
export async function readConversion(session: Session, schema: string, id: number): Promise<Conversion> {
  const [conversion] = await readConversions(session, schema, sql`id = ${id}`);
  if (conversion !== undefined) return conversion;
  throw new PulseError('not-possible', `the conversion ${id} is not recorded any more`);
}

/** An UPDATE of the conversion's row that fails where the phase is another one by now: somebody else went on with it. */
export function moveOn(schema: string, { id, phase }: Conversion, changes: Sql): Sql {
  return sql`UPDATE ${ident(schema, conversionTable)} SET ${changes} WHERE id = ${id} AND phase = ${phase} RETURNING id`;
}
