import { sql } from '../../postgres/sql.ts';
import { statisticsRight } from '../../postgres/statistics-right.ts';
import { age } from '../age.ts';
import { type Check, fine } from '../check.ts';
import { firstOf } from '../first-of.ts';

/** A client that is a minute within one transaction has forgotten it, or will hold up whoever needs its locks. */
const oldSeconds = 60;

interface OldTransactions {
  readonly old: ReadonlyArray<{ readonly pid: number; readonly role: string; readonly seconds: number }>;
  /** Clients of other roles, of which this one may not see what they do. */
  readonly hidden: number;
}

export const oldTransactions = oldTransactionsOf(oldSeconds);

/** The same, where a transaction is old after so many seconds. */
export function oldTransactionsOf(seconds: number): Check {
  return {
    id: 'old-transactions',
    question: 'Is a transaction so old that it may hold up a migration?',
    why: 'A statement that locks a table waits for every transaction that has used it, and all clients wait behind that statement.',
    beforeUp: false,
    async run({ session }) {
      const [state] = await session.rows<OldTransactions>(sql`SELECT
  COALESCE(pg_catalog.json_agg(pg_catalog.json_build_object('pid', a.pid, 'role', a.usename, 'seconds', s.seconds) ORDER BY s.seconds DESC, a.pid)
    FILTER (WHERE s.seconds >= ${seconds}::pg_catalog.float8), '[]'::pg_catalog.json) AS old,
  pg_catalog.count(*) FILTER (WHERE a.state IS NULL)::pg_catalog.float8 AS hidden
FROM pg_catalog.pg_stat_activity AS a
CROSS JOIN LATERAL (SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start) AS seconds) AS s
WHERE a.datname::pg_catalog.text = pg_catalog.current_database()::pg_catalog.text AND a.pid <> pg_catalog.pg_backend_pid()
  AND COALESCE(a.backend_type, 'client backend') = 'client backend'`);
      const [first] = state?.old ?? [];
      if (first !== undefined) {
        const all = firstOf(state?.old.map((one) => `pid ${one.pid} of ${one.role} for ${age(one.seconds)}`) ?? []);
        return {
          outcome: 'warning',
          message: `in a transaction: ${all}`,
          hint: `see what it does: pulse-migrate report locks; to end it: SELECT pg_terminate_backend(${first.pid})`,
        };
      }
      if (state !== undefined && state.hidden > 0) {
        return {
          outcome: 'unknown',
          message: `what ${state.hidden === 1 ? 'a session' : `${state.hidden} sessions`} of other roles does is hidden from this one`,
          hint: (await statisticsRight(session)).grant,
        };
      }
      return fine(`no transaction is older than ${age(seconds)}`);
    },
  };
}
