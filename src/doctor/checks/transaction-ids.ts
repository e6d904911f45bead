import { sql } from '../../postgres/sql.ts';
import { type Check, type Finding, fine } from '../check.ts';

/** Ages in transactions. */
export interface Ages {
  readonly xids: number;
  readonly multixacts: number;
  /** From which age on autovacuum freezes a table (autovacuum_freeze_max_age and the same for multixacts). */
  readonly freezeXids: number;
  readonly freezeMultixacts: number;
}

/** At 2^31 the server takes no more writes; it warns from 40 million before that on (manual, "Preventing Transaction ID Wraparound Failures"). */
const end = 2 ** 31;
const near = end - 200_000_000;

export const transactionIds: Check = {
  id: 'transaction-ids',
  question: 'Does VACUUM keep up with transaction ids?',
  why: 'A database whose oldest rows were never frozen stops taking writes when the ids run out, and only VACUUM helps then.',
  beforeUp: false,
  async run({ session }) {
    const [ages] = await session.rows<Ages>(sql`SELECT pg_catalog.age(d.datfrozenxid)::pg_catalog.float8 AS xids,
  pg_catalog.mxid_age(d.datminmxid)::pg_catalog.float8 AS multixacts,
  pg_catalog.current_setting('autovacuum_freeze_max_age')::pg_catalog.float8 AS "freezeXids",
  pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::pg_catalog.float8 AS "freezeMultixacts"
FROM pg_catalog.pg_database AS d WHERE d.datname::pg_catalog.text = pg_catalog.current_database()::pg_catalog.text`);
    if (ages === undefined) throw new TypeError('this database has no row in pg_database');
    return judgeAges(ages);
  },
};

/** Twice the age at which autovacuum begins to freeze says that it does not come to an end. */
export function judgeAges({ xids, multixacts, freezeXids, freezeMultixacts }: Ages): Finding {
  const shown = `the oldest transaction id is ${xids} old, the oldest multixact ${multixacts}; from ${end} on nothing can be written`;
  if (xids <= 2 * freezeXids && multixacts <= 2 * freezeMultixacts) return fine(shown);
  return {
    outcome: xids > near || multixacts > near ? 'failure' : 'warning',
    message: shown,
    hint: 'end old transactions, prepared transactions and slots (see the other checks), then: VACUUM (FREEZE, VERBOSE)',
  };
}
