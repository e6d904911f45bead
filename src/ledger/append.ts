import { ident, type Sql, type SqlValue, sql } from '../postgres/sql.ts';
import { renewal, untilExpiry } from './lease-life.ts';
import type { Actor } from './ledger.ts';

/** Everything about a run that its ledger row keeps and that only the caller knows. */
export interface Entry {
  readonly entry: string;
  readonly version: string;
  readonly number: bigint;
  readonly name: string;
  readonly action: 'up' | 'down' | 'baseline' | 'import' | 'repair';
  readonly outcome: 'done' | 'failed' | 'interrupted';
  readonly effect: 'applied' | 'reverted' | 'none';
  readonly checksumAlgorithm: string;
  readonly upChecksum: string | null;
  readonly downChecksum: string | null;
  readonly upSql: string | null;
  readonly downSql: string | null;
  readonly inTransaction: boolean;
  /** What tries that failed for want of a lock took, and the pauses between them, milliseconds; null where nothing was tried. */
  readonly lockWaitMs: number | null;
  readonly actor: Actor;
  readonly toolVersion: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The types of what a ledger row is given, in the order of its columns. */
export const entryTypes = {
  entry: 'uuid',
  version: 'text',
  number: 'numeric',
  name: 'text',
  action: 'text',
  outcome: 'text',
  effect: 'text',
  checksumAlgorithm: 'text',
  upChecksum: 'text',
  downChecksum: 'text',
  upSql: 'text',
  downSql: 'text',
  inTransaction: 'bool',
  actor: 'jsonb',
  lockWaitMs: 'float8',
  toolVersion: 'text',
  details: 'jsonb',
} as const satisfies Record<keyof Entry, string>;

/** What a ledger row is given, as SQL takes it: a value, or the parameter that stands for one. */
export type EntryValues = { readonly [Key in keyof Entry]: SqlValue };

export function valuesOf(entry: Entry): EntryValues {
  return { ...entry, actor: JSON.stringify(entry.actor), details: JSON.stringify(entry.details) };
}

/** When the run began: now (a row that records no run), the transaction's start, or a moment the server told earlier. */
export type Started = 'now' | 'transaction' | Date;

/** The name of the deferred foreign key by which the guard refuses a COMMIT. */
export const guardConstraint = 'guard_promises_a_ledger_row';

/**
 * Promises a ledger row within this transaction, and fails unless the run still holds the lease: the deferred foreign
 * key makes a COMMIT before that row impossible, the NOT NULL column makes a stale token fail, and the row lock keeps
 * the lease from being taken over while the transaction is open. One statement, so that it also works when sent ahead.
 * `promised: false` is for files with SET CONSTRAINTS ALL IMMEDIATE, which would call the promise in at once.
 */
export function openGuard(
  schema: string,
  { entry, token }: { readonly entry: string; readonly token: string },
  promised: boolean,
): Sql {
  return insertGuard(schema, { entry, promise: promised ? entry : null, token }, sql``);
}

/**
 * `openGuard` with values or parameters, and what else has to hold before it: what is sent ahead begins behind no
 * failure, whatever became of the file in front. Nor does it in a session that an earlier file has used and that was
 * not made fresh since, where a cancel has hit what does that (`markUse`).
 */
export function insertGuard(
  schema: string,
  { entry, promise, token }: Readonly<Record<'entry' | 'promise' | 'token', SqlValue>>,
  condition: Sql,
): Sql {
  return sql`INSERT INTO ${ident(schema, 'guard')} (entry, promise, token)
VALUES (${entry}, ${promise}, (
  SELECT token FROM ${ident(schema, 'lease')} WHERE token = ${token}::pg_catalog.uuid ${condition}
    AND COALESCE(pg_catalog.current_setting(${used}, true), '') = '' FOR UPDATE))`;
}

export function isRecorded(schema: string, entry: SqlValue): Sql {
  return sql`EXISTS (SELECT FROM ${ident(schema, 'ledger')} WHERE entry = ${entry}::pg_catalog.uuid)`;
}

const used = 'pulse_migrate.used';

/** Lasts until RESET ALL, if the transaction commits. Not for a session that belongs to a pool. */
export const markUse = sql`pg_catalog.set_config(${used}, 'yes', false)`;

/**
 * Fails outside of the transaction that `openGuard` was part of: a file that is sent behind a BEGIN which never ran
 * (a cancel request can hit it) would otherwise be committed statement by statement.
 */
export function insideGuard(schema: string, entry: SqlValue): Sql {
  return sql`SELECT 1 OPERATOR(pg_catalog./) pg_catalog.count(*) FROM ${ident(schema, 'guard')} WHERE ${ownGuard(entry)}`;
}

function ownGuard(entry: SqlValue): Sql {
  return sql`entry = ${entry}::pg_catalog.uuid AND xmin = pg_catalog.pg_current_xact_id()::pg_catalog.xid`;
}

/** Where the run says that it found the transaction as it should be, in words the file cannot have said before. */
const fit = 'pulse_migrate.fit';

/** Says so, when it is; to be asked for with what `closeGuard` follows. */
export function markFit(isFit: Sql): Sql {
  return sql`pg_catalog.set_config(${fit}, CASE WHEN ${isFit} THEN 'yes' ELSE 'no' END, true)`;
}

/**
 * Keeps the promise: the ledger takes the guard's row, and the guard gives it up only once the ledger has it, so that a
 * row which a trigger swallows makes the COMMIT fail. Fails when the guard is gone or not of this transaction, as after
 * a ROLLBACK in the file, and unless `markFit` has said that all is as it should be.
 * Renews the lease: the transaction had its row locked, for longer perhaps than it lives, and no heartbeat reached it.
 */
export function closeGuard(schema: string, entry: EntryValues): Sql {
  const guard = ident(schema, 'guard');
  const promised = sql`(SELECT entry FROM ${guard} WHERE ${ownGuard(entry.entry)} AND pg_catalog.current_setting(${fit}, true) = 'yes')`;
  return sql`WITH kept AS (
  ${insertEntry(schema, entry, promised, 'transaction')}, entry
), given_up AS (
  DELETE FROM ${guard} AS g USING kept WHERE g.entry = kept.entry RETURNING g.entry, g.token
), renewed AS (
  UPDATE ${ident(schema, 'lease')} AS l SET expires_at = ${untilExpiry()} FROM given_up WHERE l.token = given_up.token
)
SELECT kept.duration_ms FROM kept JOIN given_up ON given_up.entry = kept.entry`;
}

/** A row without a guard, for what is not a run of a file in a transaction of its own. */
export function appendEntry(schema: string, entry: Entry, started: Started): Sql {
  return insertEntry(schema, valuesOf(entry), sql`${entry.entry}`, started);
}

function insertEntry(schema: string, entry: EntryValues, id: Sql, started: Started): Sql {
  const begin =
    started instanceof Date
      ? sql`${started}`
      : started === 'transaction'
        ? sql`pg_catalog.transaction_timestamp()`
        : sql`pg_catalog.clock_timestamp()`;
  // An operator by name goes to the one whose types fit exactly, and a float8 * int4 could be a user's own.
  const duration =
    started === 'now'
      ? sql`0`
      : sql`(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) ${begin}) OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)`;
  return sql`INSERT INTO ${ident(schema, 'ledger')} (
  entry, version, number, name, action, outcome, effect,
  checksum_algorithm, up_checksum, down_checksum, up_sql, down_sql,
  in_transaction, actor, started_at, duration_ms, lock_wait_ms, tool_version, details)
VALUES (
  ${id}, ${entry.version}, ${entry.number}, ${entry.name}, ${entry.action}, ${entry.outcome}, ${entry.effect},
  ${entry.checksumAlgorithm}, ${entry.upChecksum}, ${entry.downChecksum}, ${entry.upSql}, ${entry.downSql},
  ${entry.inTransaction}, ${entry.actor}, ${begin}, ${duration}, ${entry.lockWaitMs}, ${entry.toolVersion}, ${entry.details})
RETURNING duration_ms`;
}

/** A mark in the journal: this statement of that file begins, or is done. */
export interface JournalMark {
  readonly entry: string;
  readonly number: bigint;
  readonly direction: 'up' | 'down';
  /** From 1. */
  readonly statement: number;
  readonly statements: number;
  readonly checksum: string;
  readonly state: 'started' | 'finished';
}

/**
 * Adds a mark and renews the lease; its token must still be the run's own, else no row comes back. Gives the
 * transaction of the mark.
 */
export function markStatement(schema: string, mark: JournalMark, token: string): Sql {
  return sql`WITH held AS (
  ${renewal(schema, token)} RETURNING token
)
INSERT INTO ${ident(schema, 'journal')} (entry, number, direction, statement, statements, checksum, state)
SELECT ${mark.entry}::pg_catalog.uuid, ${mark.number}, ${mark.direction}, ${mark.statement}, ${mark.statements}, ${mark.checksum}, ${mark.state}
FROM held
RETURNING xmin::pg_catalog.text AS xid`;
}
