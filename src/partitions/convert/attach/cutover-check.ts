import { PulseError } from '../../../errors.ts';
import { StatementError } from '../../../postgres/errors.ts';
import type { Session } from '../../../postgres/session.ts';
import { ident, sql } from '../../../postgres/sql.ts';
import { typedName } from '../../shown-name.ts';
import type { Conversion } from '../conversion.ts';
import type { Work } from '../deps.ts';
import { nameSql } from '../source-facts.ts';
import { ownBegin, underLock } from '../under-lock.ts';
import type { AttachSpec } from './spec.ts';

/**
 * Puts the CHECK on the table that no row lies behind the cutover, and has the server prove it for the rows that are
 * there; writers go on meanwhile. From here to the exchange the table refuses rows behind the cutover.
 * @throws {PulseError} `not-possible` where such rows came in; the CHECK is taken off again then.
 */
export async function proveCutover(work: Work, conversion: Conversion, attach: AttachSpec): Promise<void> {
  const { session } = work;
  const table = nameSql(conversion);
  const { name, condition } = attach.check;
  const state = await stateOf(session, conversion, name);
  if (state === 'missing') {
    await underLock(
      work,
      conversion,
      'the CHECK of the cutover',
      () => `LOCK TABLE ONLY ${table} IN ACCESS EXCLUSIVE MODE`,
      () => session.run(`ALTER TABLE ${table} ADD CONSTRAINT ${ident(name).text} CHECK (${condition}) NOT VALID`),
    );
  }
  if (state === 'valid') return;
  try {
    await session.run(`${ownBegin()}; ALTER TABLE ${table} VALIDATE CONSTRAINT ${ident(name).text}; COMMIT`);
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    if (!(error instanceof StatementError && error.sqlstate === '23514')) throw error;
    await underLock(
      work,
      conversion,
      'taking the CHECK of the cutover off',
      () => `LOCK TABLE ONLY ${table} IN ACCESS EXCLUSIVE MODE`,
      () => session.run(dropCutover(table, attach)),
    );
    throw new PulseError(
      'not-possible',
      `${conversion.name}: rows at or behind the cutover ${attach.cutover} came in meanwhile`,
      {
        hint: `the table is as it was; begin anew with a later --cutover: pulse-migrate partition abort ${typedName(conversion)}, then convert`,
        cause: error,
      },
    );
  }
}

/** Takes the CHECK off; to be run under a lock. */
export function dropCutover(table: string, { check }: AttachSpec): string {
  return `ALTER TABLE ${table} DROP CONSTRAINT IF EXISTS ${ident(check.name).text}`;
}

/** Whether the table refuses rows behind the cutover, as it does until the exchange once the CHECK is there. */
export async function isClosed(session: Session, conversion: Conversion, { check }: AttachSpec): Promise<boolean> {
  return (await stateOf(session, conversion, check.name)) !== 'missing';
}

async function stateOf(
  session: Session,
  { sourceOid }: Conversion,
  name: string,
): Promise<'valid' | 'not valid' | 'missing'> {
  const [row] = await session.rows<{
    valid: boolean;
  }>(sql`SELECT k.convalidated AS valid FROM pg_catalog.pg_constraint AS k
WHERE k.conrelid = ${sourceOid}::pg_catalog.oid AND k.contype = 'c' AND k.conname = ${name}`);
  if (row === undefined) return 'missing';
  return row.valid ? 'valid' : 'not valid';
}
