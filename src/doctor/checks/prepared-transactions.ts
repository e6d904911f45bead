import { quoteLiteral } from '../../postgres/identifiers.ts';
import { sql } from '../../postgres/sql.ts';
import { age } from '../age.ts';
import { type Check, fine } from '../check.ts';
import { firstOf } from '../first-of.ts';

/** Between the two phases of a commit lie moments: what waits longer was forgotten by whoever prepared it. */
const oldSeconds = 60;

export const preparedTransactions = preparedTransactionsOf(oldSeconds);

/** The same, where a transaction is old after so many seconds. */
export function preparedTransactionsOf(seconds: number): Check {
  return {
    id: 'prepared-transactions',
    question: 'Is a prepared transaction left over?',
    why: 'It keeps its locks for ever, also over a restart, has no session that could be ended, and VACUUM removes nothing younger.',
    beforeUp: false,
    async run({ session }) {
      const rows = await session.rows<{
        gid: string;
        role: string;
        seconds: number;
      }>(sql`SELECT x.gid, x.owner::pg_catalog.text AS role,
  pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - x.prepared) AS seconds
FROM pg_catalog.pg_prepared_xacts AS x
WHERE x.database::pg_catalog.text = pg_catalog.current_database()::pg_catalog.text
  AND x.prepared < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => ${seconds}::pg_catalog.float8) ORDER BY x.prepared`);
      const [first] = rows;
      if (first === undefined) return fine(`no transaction is prepared for more than ${age(seconds)}`);
      return {
        outcome: 'warning',
        message: `prepared and not ended: ${firstOf(rows.map((row) => `${quoteLiteral(row.gid)} of ${row.role} for ${age(row.seconds)}`))}`,
        hint: `ask who prepared it, then: ROLLBACK PREPARED ${quoteLiteral(first.gid)}, or COMMIT PREPARED ${quoteLiteral(first.gid)}`,
      };
    },
  };
}
