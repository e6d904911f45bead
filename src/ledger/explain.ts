import { PulseError } from '../errors.ts';
import { explainOwnStatement, StatementError, serverReport } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { ident, type Sql, sql } from '../postgres/sql.ts';

/**
 * A refusal of a statement on the ledger's own tables, as a PulseError; a missing right with the GRANT that mends it.
 * What is not a refusal of the server is given back as it is.
 */
export function explainLedgerStatement(error: unknown, schema: string, doing: string): unknown {
  const numbered = error instanceof StatementError ? numberTaken(error, schema) : null;
  const explained = numbered ?? explainOwnStatement(error, doing);
  if (!(explained instanceof PulseError) || explained.server?.sqlstate !== '42501') return explained;
  return new PulseError('permission-denied', explained.message, {
    hint: `as the owner of schema ${schema}, with the role that runs the migrations for ROLE: ${grantsFor(schema)}`,
    server: explained.server,
    cause: error,
  });
}

/** Somebody has set the sequence of an identity column back, which no ROLLBACK undoes; null for any other refusal. */
export function numberTaken(error: StatementError, schema: string): PulseError | null {
  const { sqlstate, context, table, constraint } = error;
  if (sqlstate !== '23505' || context !== undefined || error.schema !== schema) return null;
  if ((table !== 'ledger' && table !== 'journal') || constraint !== `${table}_pkey`) return null;
  const name = ident(schema, table);
  const sequence = sql`pg_catalog.pg_get_serial_sequence(${name.text}, 'id')`;
  const mend = sql`SELECT pg_catalog.setval(${sequence}, pg_catalog.max(id)) FROM ${name}`;
  return new PulseError(
    'migration-failed',
    `the sequence of ${schema}.${table} was set back: it gives numbers that are taken`,
    {
      hint: `set it to where it was: ${mend.text}`,
      server: serverReport(error),
      cause: error,
    },
  );
}

/** What a role needs that runs migrations but did not install the ledger. The trigger keeps the record append-only. */
function grantsFor(schema: string): string {
  const { text } = ident(schema);
  return `GRANT USAGE ON SCHEMA ${text} TO ROLE; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${text} TO ROLE;`;
}

/** The rows of a statement on the ledger's own tables. Throws as `Session.rows` does, with refusals explained. */
export async function ledgerRows<Row extends object = Record<string, unknown>>(
  session: Pick<Session, 'rows'>,
  schema: string,
  doing: string,
  statement: Sql,
): Promise<Row[]> {
  try {
    return await session.rows<Row>(statement);
  } catch (error) {
    throw explainLedgerStatement(error, schema, doing);
  }
}
