import type { Session } from '../postgres/session.ts';
import { ident, type Sql, sql } from '../postgres/sql.ts';
import { ledgerRows } from './explain.ts';
import type { Actor } from './ledger.ts';

/** A rule that is about to be carried out. */
export interface RetentionEntry {
  readonly schema: string;
  /** One for all rules of a command. */
  readonly run: string;
  /** Schema and name of the table, quoted where they need it. */
  readonly table: string;
  readonly action: string;
  readonly rule: unknown;
  /** Only older rows go: the moment in UTC, as text. */
  readonly cutoff: string;
  readonly actor: Actor;
  readonly toolVersion: string;
}

/** What one transaction did; times in UTC, as text. */
export interface RetentionStep {
  readonly removed: number;
  readonly made?: number;
  readonly first?: string | null;
  readonly last?: string | null;
  /** Everything before it is put together. */
  readonly through?: string;
  readonly partition?: string;
}

/** The layout that has a place for this record. */
export const retentionLayout = 3;

const doing = 'recording what retention does';

/** The row of a rule that begins, by its number; in it the transactions of the rule count what they do. */
export async function beginRetention(session: Session, entry: RetentionEntry): Promise<bigint> {
  const [row] = await ledgerRows<{ id: string }>(
    session,
    entry.schema,
    doing,
    sql`INSERT INTO ${ident(entry.schema, 'retention_run')} (run, table_name, action, rule, cutoff, actor, tool_version)
VALUES (${entry.run}::pg_catalog.uuid, ${entry.table}, ${entry.action}, ${JSON.stringify(entry.rule)}::pg_catalog.jsonb,
  ${moment(entry.cutoff)}, ${JSON.stringify(entry.actor)}::pg_catalog.jsonb, ${entry.toolVersion})
RETURNING id::pg_catalog.text`,
  );
  return BigInt(row?.id ?? '0');
}

/** To be sent in the transaction that did it, so that a kill leaves either both or none. */
export function retentionStep(schema: string, id: bigint, step: RetentionStep): Sql {
  const { removed, made = 0, first = null, last = null, through = null, partition = null } = step;
  return sql`UPDATE ${ident(schema, 'retention_run')} SET removed = removed + ${removed}::pg_catalog.int8,
  made = made + ${made}::pg_catalog.int8, transactions = transactions + 1::pg_catalog.int8,
  first_at = LEAST(first_at, ${moment(first)}), last_at = GREATEST(last_at, ${moment(last)}),
  through = GREATEST(through, ${moment(through)}),
  partitions = pg_catalog.array_cat(partitions, ${partition === null ? [] : [partition]})
WHERE id = ${id}`;
}

/** What a rule ended with: its own counts, as its transactions left them. */
export interface RetentionTotals {
  readonly removed: number;
  readonly made: number;
  readonly transactions: number;
  /** That are gone, by schema and name. */
  readonly partitions: readonly string[];
}

export async function endRetention(
  session: Session,
  schema: string,
  id: bigint,
  state: 'done' | 'failed' | 'interrupted',
  failure: string | null,
): Promise<RetentionTotals> {
  const [row] = await ledgerRows<RetentionTotals & Record<string, unknown>>(
    session,
    schema,
    doing,
    sql`UPDATE ${ident(schema, 'retention_run')}
SET state = ${state}, failure = ${failure}, finished_at = pg_catalog.clock_timestamp() WHERE id = ${id}
RETURNING removed::pg_catalog.float8, made::pg_catalog.float8, transactions::pg_catalog.float8,
  pg_catalog.to_json(partitions) AS partitions`,
  );
  const { removed = 0, made = 0, transactions = 0, partitions = [] } = row ?? {};
  return { removed, made, transactions, partitions };
}

/** Only to be asked by who holds the right to run: then whatever is still running was killed. */
export async function endKilledRetention(session: Session, schema: string): Promise<void> {
  await ledgerRows(
    session,
    schema,
    doing,
    sql`UPDATE ${ident(schema, 'retention_run')} SET state = 'interrupted', finished_at = pg_catalog.clock_timestamp()
WHERE state = 'running'`,
  );
}

/** Up to where the periods of a table are put together already, in UTC as text; null where none is. */
export async function putTogetherThrough(
  session: Session,
  schema: string,
  { table, time, to }: { readonly table: string; readonly time: string; readonly to: string },
): Promise<string | null> {
  const [row] = await ledgerRows<{ through: string | null }>(
    session,
    schema,
    'reading what retention did',
    sql`SELECT (pg_catalog.max(through) AT TIME ZONE 'UTC')::pg_catalog.text AS through
FROM ${ident(schema, 'retention_run')}
WHERE action = 'downsample' AND table_name = ${table} AND pg_catalog.jsonb_extract_path_text(rule, 'time') = ${time}
  AND pg_catalog.jsonb_extract_path_text(rule, 'to') = ${to}`,
  );
  return row?.through ?? null;
}

/** A time in UTC, without a zone, as a moment. */
function moment(utc: string | null): Sql {
  return sql`${utc}::pg_catalog.timestamp AT TIME ZONE 'UTC'`;
}
