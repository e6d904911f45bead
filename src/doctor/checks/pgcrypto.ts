import { quoteIdentifier } from '../../postgres/identifiers.ts';
import type { Session } from '../../postgres/session.ts';
import { sql } from '../../postgres/sql.ts';
import { type Check, type Finding, fine } from '../check.ts';
import { codeMentions } from '../pending-code.ts';

interface ExtensionState {
  readonly installed: string | null;
  readonly available: boolean;
  /** A superuser, or a trusted extension and CREATE on the database (manual, CREATE EXTENSION). */
  readonly may_create: boolean;
  readonly role: string;
  readonly database: string;
}

export const pgcrypto: Check = {
  id: 'pgcrypto',
  question: 'Is the extension pgcrypto installed, or can it be?',
  why: 'Pulse and many schemas create it in their first migration, which fails where the package is missing.',
  beforeUp: true,
  async run({ session, pending }) {
    const needed = pending.some((migration) => codeMentions(migration.up, /\bpgcrypto\b/i));
    return extensionFinding(session, 'pgcrypto', needed);
  },
};

/** Whether an extension is there or can be made; what is missing fails only where a pending file needs it. */
export async function extensionFinding(session: Session, name: string, needed: boolean): Promise<Finding> {
  const [state] = await session.rows<ExtensionState>(
    sql`SELECT
  (SELECT e.extversion FROM pg_catalog.pg_extension AS e WHERE e.extname = ${name}) AS installed,
  EXISTS (SELECT FROM pg_catalog.pg_available_extensions() AS a WHERE a.name = ${name}) AS available,
  (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user)
    OR (pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
        AND EXISTS (SELECT FROM pg_catalog.pg_available_extension_versions() AS v WHERE v.name = ${name} AND v.trusted)) AS may_create,
  current_user::pg_catalog.text AS role, pg_catalog.current_database()::pg_catalog.text AS database`,
  );
  if (state === undefined) throw new TypeError('a query without FROM gave no row');
  if (state.installed !== null) return fine(`${name} ${state.installed} is installed`);
  const outcome = needed ? 'failure' : 'warning';
  const consequence = needed ? 'and a pending migration needs it' : 'no pending migration mentions it';
  if (!state.available) {
    return {
      outcome,
      message: `${name} is not available on this server; ${consequence}`,
      hint: 'install the package postgresql-contrib (postgresql15-contrib, …) on the server, or enable the extension at your provider',
    };
  }
  if (state.may_create) return fine(`${name} is available, and ${state.role} may create it`);
  return {
    outcome,
    message: `${name} is available, but ${state.role} may not create it; ${consequence}`,
    hint: `GRANT CREATE ON DATABASE ${quoteIdentifier(state.database)} TO ${quoteIdentifier(state.role)}; or as a superuser: CREATE EXTENSION ${quoteIdentifier(name)};`,
  };
}
