import type { Directives } from '../migrations/migration.ts';
import type { Session } from '../postgres/session.ts';

/**
 * Brings the session to the state it began in: settings, role, temporary tables, prepared statements, cursors, LISTEN,
 * advisory locks. So nothing a file leaves behind reaches the next one. Alone in its message, because DISCARD ALL
 * cannot run in a transaction, not even an implicit one.
 */
export async function freshSession(session: Session): Promise<void> {
  await session.run('DISCARD ALL');
  await session.run(ownSettings);
}

/**
 * Settings of ours, said explicitly because a role or database may have others: a statement_timeout of 200 ms on the
 * role would fail every migration for ever (measured), and with standard_conforming_strings off a text would be cut
 * into other statements than the ones we saw.
 */
const ownSettings = `SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET standard_conforming_strings = on;
SET client_encoding = 'UTF8';
SET client_min_messages = notice`;

/** What a file asks for by directives, for its own transaction only; empty when it asks for nothing. */
export function directiveSettings(directives: Directives, scope: 'SET' | 'SET LOCAL'): string {
  const settings = [
    directives.lockTimeoutMs === null ? null : `${scope} lock_timeout = ${directives.lockTimeoutMs}`,
    directives.statementTimeoutMs === null ? null : `${scope} statement_timeout = ${directives.statementTimeoutMs}`,
  ];
  return settings.filter((setting) => setting !== null).join(';\n');
}

/** Before our own row is written: whatever role, search_path or timeout the file has set is taken back. */
export const ownStateAgain =
  'RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0';
