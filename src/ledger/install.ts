import { explainOwnStatement, StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { sql } from '../postgres/sql.ts';
import { layoutStatements, layoutVersion, schemaStatement } from './layout.ts';
import { readLedger } from './read.ts';

/** Serialises installation; the number is arbitrary and only ever held inside one short transaction. */
const installationLock = 5_871_103_244_912n;

/**
 * Codes that two installers can give each other without any fault: IF NOT EXISTS is not safe against a race
 * (measured: 23505 on a catalog index in 9 of 26 failures of a peer).
 */
const raceCodes = new Set(['23505', '42P06', '42P07', '42710', '40P01', '40001', 'XX000']);

/**
 * Makes the ledger, or brings it to the layout of this program; nothing happens when it is there.
 * @throws {PulseError} `permission-denied` when the role may not create a schema, `read-only-server`.
 */
export async function installLedger(
  session: Session,
  schema: string,
  toolVersion: string,
  sleep: (milliseconds: number) => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const { layout } = await readLedger(session, schema);
    if (layout === layoutVersion) return;
    try {
      if (await installOnce(session, schema, layout, toolVersion)) return;
    } catch (error) {
      const raced = error instanceof StatementError && raceCodes.has(error.sqlstate) && attempt < 20;
      if (!raced) throw explainOwnStatement(error, `creating the ledger in schema ${schema}`);
    }
    await sleep(50 * Math.min(attempt, 10));
  }
}

/** False when another installer is at work. */
async function installOnce(session: Session, schema: string, from: number, toolVersion: string): Promise<boolean> {
  await session.run('BEGIN');
  try {
    const [lock] = await session.rows<{ taken: boolean }>(
      sql`SELECT pg_catalog.pg_try_advisory_xact_lock(${installationLock}) AS taken`,
    );
    if (lock?.taken !== true) {
      await session.run('ROLLBACK');
      return false;
    }
    if (from === 0) await createSchema(session, schema);
    for (const statement of layoutStatements(schema, from, toolVersion)) await session.run(statement.sql.text);
    await session.run('COMMIT');
    return true;
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    throw error;
  }
}

/** IF NOT EXISTS wants the right to create even where nothing is created; a DBA may have made the schema for us. */
async function createSchema(session: Session, schema: string): Promise<void> {
  const [row] = await session.rows<{ present: boolean }>(
    sql`SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = ${schema}) AS present`,
  );
  if (row?.present !== true) await session.run(schemaStatement(schema).sql.text);
}
