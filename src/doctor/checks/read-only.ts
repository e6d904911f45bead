import { quoteIdentifier } from '../../postgres/identifiers.ts';
import { sql } from '../../postgres/sql.ts';
import { type Check, type Finding, fine } from '../check.ts';

interface State {
  readonly standby: boolean;
  readonly read_only: string;
  readonly source: string | null;
  readonly role: string;
  readonly database: string;
}

export const readOnly: Check = {
  id: 'read-only',
  question: 'Does the server take writes?',
  why: 'A standby, and a session that is read-only by default, refuse every statement of a migration.',
  beforeUp: true,
  async run({ session }) {
    const [state] = await session.rows<State>(
      sql`SELECT pg_catalog.pg_is_in_recovery() AS standby,
                 pg_catalog.current_setting('default_transaction_read_only') AS read_only,
                 (SELECT s.source FROM pg_catalog.pg_settings AS s WHERE s.name = 'default_transaction_read_only') AS source,
                 session_user::pg_catalog.text AS role, pg_catalog.current_database()::pg_catalog.text AS database`,
    );
    if (state?.standby === true) {
      return {
        outcome: 'failure',
        message: 'the server is a standby: it takes no writes',
        hint: 'connect to the primary: add target_session_attrs=read-write to the connection string and name all hosts',
      };
    }
    if (state?.read_only === 'on') return readOnlyByDefault(state);
    return fine('the server takes writes');
  },
};

/** Without it the cure is refused by what it cures. */
const asWriter = 'SET default_transaction_read_only = off;';

/** The statement that lifts the setting depends on where it was made (pg_settings.source). */
function readOnlyByDefault({ source, role, database }: State): Finding {
  const cures: Readonly<Record<string, string>> = {
    user: `${asWriter} ALTER ROLE ${quoteIdentifier(role)} RESET default_transaction_read_only;`,
    database: `${asWriter} ALTER DATABASE ${quoteIdentifier(database)} RESET default_transaction_read_only;`,
    'database user': `${asWriter} ALTER ROLE ${quoteIdentifier(role)} IN DATABASE ${quoteIdentifier(database)} RESET default_transaction_read_only;`,
    client: 'take default_transaction_read_only out of PGOPTIONS or of options in the connection string',
  };
  return {
    outcome: 'failure',
    message: `default_transaction_read_only is on (set by: ${source ?? 'unknown'})`,
    hint: cures[source ?? ''] ?? 'ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf();',
  };
}
