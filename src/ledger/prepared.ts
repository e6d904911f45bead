import { join, raw, type Sql, type SqlValue, sql } from '../postgres/sql.ts';
import {
  closeGuard,
  type Entry,
  type EntryValues,
  entryTypes,
  insertGuard,
  insideGuard,
  isRecorded,
  markFit,
  markUse,
  valuesOf,
} from './append.ts';
import { refuseChange } from './layout.ts';
import { touched } from './touched.ts';

/**
 * What the run says around each file, prepared once in its session: to plan it costs the server more than to run it
 * (measured, for the look and the ledger row: 1.0 of 1.5 ms). Only for a session that is the run's own. Statements that
 * a file prepares are told from these by their names.
 */
const names = {
  settings: 'pulse_migrate_settings',
  open: 'pulse_migrate_open',
  inside: 'pulse_migrate_inside',
  look: 'pulse_migrate_look',
  close: 'pulse_migrate_close',
} as const;

const fields = Object.keys(entryTypes) as readonly (keyof Entry)[];

/** A setting of ours, in the transaction alone or for the session. */
export interface OwnSetting {
  readonly name: string;
  readonly value: SqlValue;
  readonly local: boolean;
}

/** What the settings around a file are: set in front of it, and again behind it, where a file may have set others. */
export interface OwnSettings {
  readonly before: readonly OwnSetting[];
  readonly behind: readonly OwnSetting[];
}

/** Prepares all of them, for a ledger in this schema. */
export function prepareOwn(schema: string, settings: OwnSettings): Sql {
  const placeholders = Object.fromEntries(fields.map((field, at) => [field, raw(`$${at + 1}`)])) as EntryValues;
  const guard = { entry: raw('$1'), promise: raw('$1'), token: raw('$2') };
  const beforeIt = sql`AND ($3 IS NULL OR ${isRecorded(schema, raw('$3'))}) AND NOT EXISTS (${othersPrepared})
    AND ($6 OR NOT EXISTS (${keepingPlans}))`;
  return join(
    [
      prepare(names.settings, [], sql`SELECT ${settingAll(settings.before)}`),
      prepare(
        names.open,
        ['uuid', 'uuid', 'uuid', 'text', 'text', 'bool'],
        sql`${insertGuard(schema, guard, beforeIt)} RETURNING ${begun}`,
      ),
      prepare(names.inside, ['uuid'], insideGuard(schema, raw('$1'))),
      prepare(names.look, ['text'], look(schema, settings.behind)),
      prepare(names.close, Object.values(entryTypes), closeGuard(schema, placeholders)),
    ],
    ';\n',
  );
}

function prepare(name: string, types: readonly string[], statement: Sql): Sql {
  const parameters = types.length === 0 ? '' : ` (${types.map((type) => `pg_catalog.${type}`).join(', ')})`;
  return sql`PREPARE ${raw(name + parameters)} AS ${statement}`;
}

/** Statements that a file has left in the session. */
const othersPrepared = sql`SELECT FROM pg_catalog.pg_prepared_statements AS p WHERE NOT p.name = ANY (${Object.values(names)})`;

/**
 * Functions that may keep plans of their statements in the session, with settings and data folded into them: all but
 * those of the server itself (its OIDs are below 16384), those written in C (the languages 12 and 13 in every server),
 * which run no SQL or plan it each time, and the ledger's own. By the index on the OID this reads none of the server's.
 */
const keepingPlans = sql`SELECT FROM pg_catalog.pg_proc AS f WHERE f.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
    AND f.prolang OPERATOR(pg_catalog.<>) ALL ('{12,13}'::pg_catalog.oid[])
    AND f.prosrc OPERATOR(pg_catalog.<>) ${refuseChange.body}`;

function settingAll(settings: readonly OwnSetting[]): Sql {
  return join(settings.map(({ name, value, local }) => sql`pg_catalog.set_config(${name}, ${value}, ${local})`));
}

/** The transaction as it was begun, and the limits of the file, which must not be those of the guard's own statement. */
const begun = sql`pg_catalog.pg_backend_pid() AS pid, pg_catalog.pg_current_xact_id()::pg_catalog.text AS xid,
  pg_catalog.date_part('epoch', pg_catalog.transaction_timestamp()) AS began,
  pg_catalog.set_config('lock_timeout', $4, true), pg_catalog.set_config('statement_timeout', $5, true)`;

function look(schema: string, settings: readonly OwnSetting[]): Sql {
  return sql`SELECT l.xid, l.touched, ${markFit(raw('NOT l.touched'))}, ${markUse},
  pg_catalog.set_config('lock_timeout', $1, true), ${settingAll(settings)} FROM (
  SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text AS xid, ${touched(schema)} AS touched OFFSET 0) AS l`;
}

/** How long the statements of a file wait for a lock, and how long they may run (0: no limit), milliseconds. */
export interface Limits {
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
}

/**
 * `openGuard` with its promise, behind settings of ours and with the limits of the file, as prepared; gives the
 * transaction as it was begun. Fails, too, where the file in front (`after`: its entry) is not recorded or has left a
 * prepared statement, and where there are functions whose plans were not thrown away.
 */
export function openPrepared(
  { entry, token }: { readonly entry: string; readonly token: string },
  { after, plansGone }: { readonly after: string | null; readonly plansGone: boolean },
  { lockTimeoutMs, statementTimeoutMs }: Limits,
): Sql {
  const values = [entry, token, after, String(lockTimeoutMs), String(statementTimeoutMs), plansGone];
  return sql`EXECUTE ${raw(names.settings)};\n${execute(names.open, values)}`;
}

/** `insideGuard`, as prepared. */
export function insidePrepared(entry: string): Sql {
  return execute(names.inside, [entry]);
}

/** Whether the transaction is as it should be, and the marks of that, with settings of ours, as prepared. */
export function lookPrepared(lockTimeoutMs: number): Sql {
  return execute(names.look, [String(lockTimeoutMs)]);
}

/** `closeGuard`, as prepared. */
export function closePrepared(entry: Entry): Sql {
  const values = valuesOf(entry);
  return execute(
    names.close,
    fields.map((field) => values[field]),
  );
}

function execute(name: string, values: readonly SqlValue[]): Sql {
  return sql`EXECUTE ${raw(name)} (${join(values.map((value) => sql`${value}`))})`;
}

/** The statement is one of these, and a file has taken it away: DEALLOCATE ALL in its text or in a function. */
export function isTakenAway(error: { readonly sqlstate: string; readonly message: string }): boolean {
  return error.sqlstate === '26000' && Object.values(names).some((name) => error.message.includes(name));
}
