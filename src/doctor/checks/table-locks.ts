import { quoteIdentifier } from '../../postgres/identifiers.ts';
import { sql } from '../../postgres/sql.ts';
import { age } from '../age.ts';
import { type Check, fine } from '../check.ts';
import { changesWhoOrWhere, type LockMode, lockModes, touchedTables } from '../touched-tables.ts';

/** A statement of a client takes less; who has held a lock for so long will hold it when the migration comes. */
const leastSeconds = 1;

/** Lock modes of the server with which each conflicts (manual, table "Conflicting Lock Modes"). */
const conflicts: Readonly<Record<LockMode, readonly string[] | 'all'>> = {
  'SHARE UPDATE EXCLUSIVE': [
    'ShareUpdateExclusiveLock',
    'ShareLock',
    'ShareRowExclusiveLock',
    'ExclusiveLock',
    'AccessExclusiveLock',
  ],
  SHARE: [
    'RowExclusiveLock',
    'ShareUpdateExclusiveLock',
    'ShareRowExclusiveLock',
    'ExclusiveLock',
    'AccessExclusiveLock',
  ],
  'SHARE ROW EXCLUSIVE': [
    'RowExclusiveLock',
    'ShareUpdateExclusiveLock',
    'ShareLock',
    'ShareRowExclusiveLock',
    'ExclusiveLock',
    'AccessExclusiveLock',
  ],
  'ACCESS EXCLUSIVE': 'all',
};

interface Held {
  readonly wanted: string;
  readonly table: string;
  readonly mode: string;
  /** Null for a prepared transaction. */
  readonly pid: number | null;
  /** Null where this role may not see it. */
  readonly seconds: number | null;
}

export const tableLocks: Check = {
  id: 'table-locks',
  question: 'Would a pending statement wait for a lock that somebody holds now?',
  why: 'While it waits, every client that comes after it waits too, be it only to read.',
  beforeUp: false,
  async run({ session, pending }) {
    const strongest = new Map<string, LockMode>();
    for (const { name, lock } of touchedTables(pending)) {
      const quoted = name.map(quoteIdentifier).join('.');
      const known = strongest.get(quoted);
      if (lock !== null && (known === undefined || lockModes.indexOf(lock) > lockModes.indexOf(known)))
        strongest.set(quoted, lock);
    }
    if (strongest.size === 0) return fine('no pending statement locks a table that is there');
    if (changesWhoOrWhere(pending))
      return {
        outcome: 'unknown',
        message: 'the pending files set role or search_path: which tables they name is not known',
        hint: null,
      };
    const held =
      await session.rows<Held>(sql`SELECT w.name AS wanted, t.relid::pg_catalog.regclass::pg_catalog.text AS "table", l.mode,
  a.pid::pg_catalog.float8 AS pid, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start) AS seconds
FROM pg_catalog.unnest(${[...strongest.keys()]}) AS w(name)
CROSS JOIN LATERAL (SELECT pg_catalog.to_regclass(w.name)::pg_catalog.oid AS oid) AS r
CROSS JOIN LATERAL (SELECT r.oid AS relid UNION SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(r.oid) AS p) AS t
JOIN pg_catalog.pg_locks AS l ON l.relation = t.relid AND l.granted
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname::pg_catalog.text = pg_catalog.current_database()::pg_catalog.text)
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.pid IS NULL OR l.pid <> pg_catalog.pg_backend_pid() ORDER BY seconds DESC NULLS FIRST, a.pid`);
    const blockers = held.filter(({ wanted, mode, seconds }) => {
      const lock = strongest.get(wanted);
      const against = lock === undefined ? [] : conflicts[lock];
      return (seconds === null || seconds >= leastSeconds) && (against === 'all' || against.includes(mode));
    });
    const [first] = blockers;
    if (first === undefined)
      return fine(`nobody holds a lock on ${[...strongest.keys()].join(', ')} that is in the way`);
    return {
      outcome: 'warning',
      message: blockers.map((blocker) => shown(blocker, strongest.get(blocker.wanted))).join('; '),
      hint:
        first.pid === null
          ? 'a prepared transaction holds it: SELECT * FROM pg_prepared_xacts'
          : `see what it does: pulse-migrate report locks; to end it: SELECT pg_terminate_backend(${first.pid})`,
    };
  },
};

function shown({ table, mode, pid, seconds }: Held, lock: LockMode | undefined): string {
  const who = pid === null ? 'a prepared transaction' : `pid ${pid}`;
  const since = seconds === null ? '' : ` in a transaction of ${age(seconds)}`;
  return `${who} holds ${mode} on ${table}${since}, where ${lock} is wanted`;
}
