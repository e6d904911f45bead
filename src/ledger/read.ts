import { PulseError } from '../errors.ts';
import { StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { ident, type Sql, sql } from '../postgres/sql.ts';
import { explainLedgerStatement, ledgerRows } from './explain.ts';
import { layoutVersion } from './layout.ts';
import { holderIsGone } from './lease-life.ts';
import type { Actor, AppliedMigration, LedgerRow, LedgerState, UnfinishedMigration } from './ledger.ts';

interface StateRow {
  readonly layout: number;
  readonly running: boolean;
  readonly applied: readonly AppliedRow[] | null;
  readonly unfinished: readonly UnfinishedRow[] | null;
}

interface AppliedRow {
  readonly id: number;
  readonly run_id: number;
  readonly version: string;
  readonly number: string;
  readonly name: string;
  readonly action: AppliedMigration['action'];
  readonly up_checksum: string | null;
  readonly down_checksum: string | null;
  readonly in_transaction: boolean;
  readonly finished_at: string;
  readonly role: string;
  readonly actor: Actor;
  readonly duration_ms: number;
}

interface UnfinishedRow {
  readonly entry: string;
  readonly version: string | null;
  readonly name: string | null;
  readonly number: string;
  readonly direction: 'up' | 'down';
  readonly finished: readonly string[] | null;
  readonly begun: UnfinishedMigration['begun'];
  readonly statements: number;
}

/** Everything a plan needs, in one query, without the SQL texts. */
function stateQuery(schema: string): Sql {
  return sql`SELECT
  (SELECT pg_catalog.max(version) FROM ${ident(schema, 'layout')}) AS layout,
  EXISTS (SELECT FROM ${ident(schema, 'lease')} AS l WHERE NOT ${holderIsGone}) AS running,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'id', a.id, 'run_id', a.run_id, 'version', a.version, 'number', a.number::pg_catalog.text, 'name', a.name, 'action', a.action,
      'up_checksum', a.up_checksum, 'down_checksum', a.down_checksum, 'in_transaction', a.in_transaction,
      'finished_at', a.finished_at, 'role', a.role, 'actor', a.actor, 'duration_ms', a.duration_ms) ORDER BY a.run_id)
   FROM ${ident(schema, 'applied')} AS a) AS applied,
  (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'entry', u.entry, 'version', k.version, 'number', u.number::pg_catalog.text, 'name', k.name, 'direction', u.direction,
      'finished', u.finished, 'begun', u.begun, 'statements', u.statements) ORDER BY u.number)
   FROM (
     SELECT j.entry, pg_catalog.min(j.number) AS number, pg_catalog.min(j.direction) AS direction,
            pg_catalog.json_agg(j.checksum ORDER BY j.statement) FILTER (WHERE j.state = 'finished') AS finished,
            (SELECT pg_catalog.json_build_object('checksum', b.checksum, 'xid', b.xmin::pg_catalog.text)
             FROM ${ident(schema, 'journal')} AS b
             WHERE b.entry = j.entry AND b.state = 'started' AND NOT EXISTS (
               SELECT FROM ${ident(schema, 'journal')} AS f
               WHERE f.entry = b.entry AND f.statement = b.statement AND f.state = 'finished')
             ORDER BY b.id DESC LIMIT 1) AS begun,
            pg_catalog.max(j.statements) AS statements
     FROM ${ident(schema, 'journal')} AS j
     WHERE NOT EXISTS (SELECT FROM ${ident(schema, 'ledger')} AS l WHERE l.entry = j.entry)
     GROUP BY j.entry
   ) AS u
   LEFT JOIN LATERAL (
     SELECT l.version, l.name FROM ${ident(schema, 'ledger')} AS l WHERE l.number = u.number ORDER BY l.id DESC LIMIT 1
   ) AS k ON true) AS unfinished`;
}

/**
 * Reads what is applied. A database without a ledger is an empty one.
 * @throws {PulseError} `ledger-newer`, `ledger-mismatch` when parts of it are missing, `permission-denied`.
 */
export async function readLedger(session: Session, schema: string): Promise<LedgerState> {
  let row = await queryState(session, schema);
  if (row === null) {
    if (!(await layoutIsThere(session, schema)))
      return { schema, layout: 0, running: false, applied: [], unfinished: [] };
    // Another run may have installed it between the two questions.
    row = await queryState(session, schema);
  }
  if (row === null) {
    throw new PulseError('ledger-mismatch', `schema ${schema} holds a ledger, but parts of it are missing`, {
      hint: `restore schema ${schema} from a backup, or name another with ledgerSchema in the configuration`,
    });
  }
  const layout = Number(row.layout ?? 0);
  refuseNewer(layout, schema);
  return {
    schema,
    layout,
    running: row.running,
    applied: (row.applied ?? []).map(appliedMigration),
    unfinished: (row.unfinished ?? []).map(unfinishedMigration),
  };
}

/** Null when the query does not fit: there is no ledger, or one of a layout that this program does not know. */
async function queryState(session: Session, schema: string): Promise<StateRow | null> {
  try {
    const [row] = await session.rows<StateRow>(stateQuery(schema));
    return row ?? null;
  } catch (error) {
    if (isAbsent(error)) return null;
    throw explainLedgerStatement(error, schema, reading(schema));
  }
}

function reading(schema: string): string {
  return `reading the ledger in schema ${schema}`;
}

/** undefined_table, invalid_schema_name, undefined_column, undefined_function (no max() of such a column). */
function isAbsent(error: unknown): boolean {
  return error instanceof StatementError && ['42P01', '3F000', '42703', '42883'].includes(error.sqlstate);
}

/** By its columns, because a table of a user may have the name too. */
async function layoutIsThere(session: Session, schema: string): Promise<boolean> {
  const [row] = await ledgerRows<{ present: boolean }>(
    session,
    schema,
    reading(schema),
    sql`SELECT pg_catalog.count(*) = 3 AS present
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
        WHERE n.nspname = ${schema} AND c.relname = 'layout' AND c.relkind = 'r'
          AND pg_catalog.format('%s %s', a.attname, pg_catalog.format_type(a.atttypid, NULL))
            IN ('version integer', 'tool_version text', 'installed_at timestamp with time zone')`,
  );
  if (row?.present !== true) return false;
  const [layout] = await ledgerRows<{ version: number }>(
    session,
    schema,
    reading(schema),
    sql`SELECT pg_catalog.max(version) AS version FROM ${ident(schema, 'layout')}`,
  );
  refuseNewer(Number(layout?.version ?? 0), schema);
  return true;
}

function refuseNewer(layout: number, schema: string): void {
  if (layout <= layoutVersion) return;
  throw new PulseError(
    'ledger-newer',
    `the ledger in schema ${schema} has layout ${layout}; this pulse-migrate knows layouts up to ${layoutVersion}`,
  );
}

function appliedMigration(row: AppliedRow): AppliedMigration {
  return {
    id: BigInt(row.id),
    runId: BigInt(row.run_id),
    version: row.version,
    number: BigInt(row.number),
    name: row.name,
    action: row.action,
    upChecksum: row.up_checksum,
    downChecksum: row.down_checksum,
    inTransaction: row.in_transaction,
    appliedAt: new Date(row.finished_at),
    role: row.role,
    actor: row.actor,
    durationMs: row.duration_ms,
  };
}

function unfinishedMigration(row: UnfinishedRow): UnfinishedMigration {
  return {
    entry: row.entry,
    version: row.version ?? row.number,
    number: BigInt(row.number),
    name: row.name ?? 'unknown',
    direction: row.direction,
    finished: row.finished ?? [],
    begun: row.begun,
    statements: row.statements,
  };
}

/** Which of these entries the record holds; a database without a ledger holds none. */
export async function recordedEntries(
  session: Session,
  schema: string,
  entries: readonly string[],
): Promise<ReadonlySet<string>> {
  try {
    const rows = await session.rows<{ entry: string }>(sql`SELECT l.entry::pg_catalog.text AS entry
FROM ${ident(schema, 'ledger')} AS l JOIN pg_catalog.unnest(${entries}) AS e(entry) ON l.entry = e.entry::pg_catalog.uuid`);
    return new Set(rows.map(({ entry }) => entry));
  } catch (error) {
    if (isAbsent(error)) return new Set();
    throw explainLedgerStatement(error, schema, reading(schema));
  }
}

/** The SQL of both directions as it was applied. */
export interface RecordedSql {
  readonly up: string | null;
  readonly down: string | null;
  readonly upChecksum: string | null;
  readonly downChecksum: string | null;
}

/** The texts that a row of the ledger keeps, by the row's id. */
export async function readRecordedSql(session: Session, schema: string, id: bigint): Promise<RecordedSql> {
  const [row] = await ledgerRows<{
    up_sql: string | null;
    down_sql: string | null;
    up_checksum: string | null;
    down_checksum: string | null;
  }>(
    session,
    schema,
    reading(schema),
    sql`SELECT up_sql, down_sql, up_checksum, down_checksum FROM ${ident(schema, 'ledger')} WHERE id = ${id}::pg_catalog.int8`,
  );
  return {
    up: row?.up_sql ?? null,
    down: row?.down_sql ?? null,
    upChecksum: row?.up_checksum ?? null,
    downChecksum: row?.down_checksum ?? null,
  };
}

interface HistoryRow {
  readonly id: string;
  readonly version: string;
  readonly name: string;
  readonly action: string;
  readonly outcome: LedgerRow['outcome'];
  readonly role: string;
  readonly actor: Actor;
  /** Seconds since 1970: the text of a timestamp depends on DateStyle. */
  readonly started_at: number;
  readonly finished_at: number;
  readonly duration_ms: number;
  readonly tool_version: string;
  readonly server_version: string;
  readonly details: Record<string, unknown>;
}

/** The record itself, oldest first; `limit` takes the newest so many. */
export async function readHistory(session: Session, schema: string, limit: number | null): Promise<LedgerRow[]> {
  const rows = await ledgerRows<HistoryRow>(
    session,
    schema,
    reading(schema),
    sql`SELECT id, version, name, action, outcome, role, actor,
          pg_catalog.date_part('epoch', started_at) AS started_at, pg_catalog.date_part('epoch', finished_at) AS finished_at, duration_ms, tool_version, server_version, details
        FROM ${ident(schema, 'ledger')} ORDER BY id DESC LIMIT ${limit}`,
  );
  return rows.reverse().map((row) => ({
    id: BigInt(row.id),
    version: row.version,
    name: row.name,
    action: row.action,
    outcome: row.outcome,
    role: row.role,
    actor: row.actor,
    startedAt: new Date(row.started_at * 1000),
    finishedAt: new Date(row.finished_at * 1000),
    durationMs: row.duration_ms,
    toolVersion: row.tool_version,
    serverVersion: row.server_version,
    details: row.details,
  }));
}
