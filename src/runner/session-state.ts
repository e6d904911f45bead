import { type OwnSetting, type OwnSettings, prepareOwn } from '../ledger/prepared.ts';
import type { Directives } from '../migrations/migration.ts';
import { idleLimit, idleLimitMs, noIdleSessionLimit } from '../postgres/idle-limit.ts';
import type { Session } from '../postgres/session.ts';
import { raw, type Sql, type SqlValue, sql } from '../postgres/sql.ts';

/**
 * Brings the session to the state it began in: settings, role, temporary tables, prepared statements, cursors, LISTEN,
 * advisory locks. So nothing a file leaves behind reaches the next one. Alone in its message, because DISCARD ALL
 * cannot run in a transaction, not even an implicit one. Behind a pooler there is no session to bring anywhere: the
 * server process belongs to other clients the moment the transaction ends.
 */
export async function freshSession(session: Session): Promise<void> {
  if (session.pooled) return;
  startAnew(session);
  // The last is sent behind the others at once: in between the session has the limits of its role and database.
  await Promise.all([...discardAll(session), session.run(`${ownSettings('SET')};\n${lastingSettings}`)]);
}

function discardAll(session: Session): readonly Promise<void>[] {
  // By a limit of its own role it may be ended, where there are many temporary tables to drop.
  return [session.run(untimed), session.run('DISCARD ALL')];
}

/** What a session is known to keep from one file to the next. */
interface Kept {
  /** Our statements are prepared in it. */
  prepared: boolean;
  /** There may be plans of functions in it, too. */
  plans: boolean;
}

/** By session, since a run goes on in another one after a lost connection. */
const keptIn = new WeakMap<Session, Kept>();

/** The session is to be made fresh by DISCARD ALL before the next file, and our statements prepared again. */
function startAnew(session: Session): void {
  const kept = keptIn.get(session);
  if (kept) kept.prepared = false;
}

/** Plans are to be thrown away as well before each file from now on. */
export function discardPlansToo(session: Session): void {
  const kept = keptIn.get(session);
  if (kept) kept.plans = true;
}

/**
 * The same for a session of our own, with our statements prepared in it: where they are, everything is taken away that
 * DISCARD ALL takes but prepared statements, in one message, so all of it or nothing; plans, with which ours would go,
 * once there is a function that may keep one: `plansGone` is whether they are. `openPrepared` refuses a session in which
 * something else is left.
 */
export function freshAndPrepared(
  session: Session,
  schema: string,
): { readonly plansGone: boolean; readonly done: Promise<void> } {
  const kept = keptIn.get(session) ?? { prepared: false, plans: false };
  keptIn.set(session, kept);
  if (kept.prepared) {
    const discarded = kept.plans ? `${discards}; DISCARD PLANS` : discards;
    return { plansGone: kept.plans, done: session.run(`${discarded};\n${lastingSettings}`) };
  }
  kept.prepared = true;
  const discarded = discardAll(session);
  const own = session.run(`${untimed};\n${lastingSettings};\n${prepareOwn(schema, preparedSettings(session)).text}`);
  own.catch(() => startAnew(session));
  return { plansGone: true, done: Promise.all([...discarded, own]).then(() => undefined) };
}

/** What a transaction begins with, before the first statement that somebody else's settings could hinder. */
export function ownBeginning(session: Session): string {
  return `${session.pooled ? `${takeBack};\n` : ''}${ownSettings('SET LOCAL')};\n`;
}

/** Nothing where the session is ours, else what `freshSession` could not set. */
export function pooledOpening(session: Session): string {
  return session.pooled ? ownBeginning(session) : '';
}

/**
 * Settings of ours, said explicitly because a role or database may have others: a statement_timeout of 200 ms on the
 * role would fail every migration for ever (measured), and with standard_conforming_strings off a text would be cut
 * into other statements than the ones we saw.
 */
function ownSettings(scope: 'SET' | 'SET LOCAL'): string {
  return ownValues
    .map(([name, value]) => `${scope} ${name} = '${value}'`)
    .concat(noticesDeadClient(scope), lastsAsLongAsItTakes(scope))
    .join(';\n');
}

const ownValues = [
  ['statement_timeout', '0'],
  ['lock_timeout', '0'],
  ['idle_in_transaction_session_timeout', String(idleLimitMs)],
  ['standard_conforming_strings', 'on'],
  ['client_encoding', 'UTF8'],
  ['client_min_messages', 'notice'],
] as const;

/** Those that what is sent behind a file needs: how long it waits for a lock is given with it. */
const valuesBehind = ownValues.filter(([name]) => name !== 'lock_timeout' && name !== 'client_min_messages');

/** The same as data, for a transaction in a session of our own. */
function preparedSettings({ serverVersion }: Session): OwnSettings {
  const local = ([name, value]: readonly [string, SqlValue]): OwnSetting => ({ name, value, local: true });
  const newer = serverVersion >= 170_000 ? [local(['transaction_timeout', '0'])] : [];
  const interval = sql`CASE WHEN ${raw(hasNoSuchInterval)} THEN '0' ELSE '2000' END`;
  return {
    before: [...ownValues.map(local), local(['client_connection_check_interval', interval]), ...newer],
    // It has to hold behind the COMMIT.
    behind: [...valuesBehind.map(local), ...newer, { name: 'idle_session_timeout', value: '0', local: false }],
  };
}

/**
 * For the session and not for a transaction, with whose failure they would go (an aborted one whose client is gone has
 * its locks still): in the pause before the next try they are needed as well. A client whose cable is cut is noticed by the server itself within half a minute, while it waits
 * for COPY data too; without the keepalives, which mean nothing on a Unix socket, it takes hours.
 */
const lastingSettings = `${noIdleSessionLimit}; SET ${idleLimit}; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
SET tcp_user_timeout = 15000`;

/**
 * Makes the server look for its client while a statement runs: without it a statement of a client that was killed goes
 * on to its end (measured: 9.6 s instead of 0.24 s). Servers on Windows cannot, and refuse any value but 0.
 */
function noticesDeadClient(scope: 'SET' | 'SET LOCAL'): string {
  return `SELECT pg_catalog.set_config('client_connection_check_interval', '2000', ${scope === 'SET LOCAL'})
WHERE NOT ${hasNoSuchInterval}`;
}

const hasNoSuchInterval = "(pg_catalog.version() ~* 'visual c|mingw|windows')";

/** transaction_timeout came with 17: on a role or a database it would end every longer migration, for ever. */
function lastsAsLongAsItTakes(scope: 'SET' | 'SET LOCAL'): string {
  return `SELECT pg_catalog.set_config('transaction_timeout', '0', ${scope === 'SET LOCAL'})
WHERE pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 170000`;
}

/**
 * What a file runs with: the lock timeout of this try (null: as the session has it) and what its directives ask for;
 * empty when that is nothing.
 */
export function fileSettings(directives: Directives, scope: 'SET' | 'SET LOCAL', lockTimeoutMs: number | null): string {
  const settings = [
    lockTimeoutMs === null ? null : `${scope} lock_timeout = ${lockTimeoutMs}`,
    directives.statementTimeoutMs === null ? null : `${scope} statement_timeout = ${directives.statementTimeoutMs}`,
  ];
  return settings.filter((setting) => setting !== null).join(';\n');
}

/** Not SET LOCAL: behind a pooler the reset is also what keeps a setting of the file from the next client. */
const takeBack = 'RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL';

/** A role or a database may have limits that end even this. */
const untimed = 'SET statement_timeout = 0';

/**
 * The parts of DISCARD ALL by its manual page, but DEALLOCATE ALL, with which our own would go, and DISCARD PLANS, with
 * which they would have to be planned anew.
 */
const discards = `CLOSE ALL; ${takeBack}; ${untimed}; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD SEQUENCES; DISCARD TEMP`;

/** Before our own row is written: whatever role, search_path or timeout the file has set is taken back. */
export function ownStateAgain(lockTimeoutMs: number): string {
  // Deferred constraints are checked at the COMMIT that follows, and may wait for rows.
  return `${takeBack}; SET LOCAL lock_timeout = ${lockTimeoutMs}; SET LOCAL statement_timeout = 0; SET LOCAL ${idleLimit};
${lastsAsLongAsItTakes('SET LOCAL')}`;
}

/**
 * The same in front of `statement`, which gives the rows. By a SELECT, which outside of a transaction warns of nothing:
 * it may be sent before it is known whether the file has left its transaction open.
 */
export function ownStateBefore({ pooled }: Session, lockTimeoutMs: number, statement: Sql): string {
  const settings = [['lock_timeout', String(lockTimeoutMs)] as const, ...valuesBehind].map(
    ([name, value]) => `pg_catalog.set_config('${name}', '${value}', true)`,
  );
  // It has to hold behind the COMMIT.
  if (!pooled) settings.push(`pg_catalog.set_config('idle_session_timeout', '0', false)`);
  return `${takeBack}; ${lastsAsLongAsItTakes('SET LOCAL')};\nSELECT ${settings.join(', ')};\n${statement.text}`;
}

/**
 * The same in front of a statement that sets all of that itself, but cannot while it runs under the limits of its role
 * or database, which `takeBack` brings back.
 */
export function untimedBefore({ serverVersion }: Session, statement: Sql): string {
  const limits = ['statement_timeout', ...(serverVersion >= 170_000 ? ['transaction_timeout'] : [])];
  const lifted = limits.map((limit) => `pg_catalog.set_config('${limit}', '0', true)`).join(', ');
  return `${takeBack}; SELECT ${lifted};\n${statement.text}`;
}

/** The same for a moment only: a SET ROLE in a file without a transaction goes on for its next statement. */
export const ownRoleForNow = 'SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL ROLE NONE';
