import { quoteLiteral } from '../../postgres/identifiers.ts';
import { type Sql, sql } from '../../postgres/sql.ts';
import { age } from '../age.ts';
import { type Check, type CheckContext, type Finding, fine } from '../check.ts';
import { firstOf } from '../first-of.ts';
import { conflictsWith, type LockMode, modeOfServer } from '../lock-modes.ts';
import { namedRelations } from '../named-relations.ts';
import { type PlacedTable, placeOf, touchedTables } from '../touched-tables.ts';

/** A statement of a client takes less; who has held a lock for so long will hold it when the migration comes. */
const leastSeconds = 1;

/** A lock on a table that a pending statement names, or on a table that hangs on it. */
interface TableLock {
  /** Of the pending statement, from 1. */
  readonly position: number;
  readonly table: string;
  /** It is the DEFAULT partition of what the statement names. */
  readonly isDefault: boolean;
  readonly mode: string;
  /** False: it is waited for, and whoever comes later queues behind. */
  readonly granted: boolean;
  /** Null for a prepared transaction. */
  readonly pid: number | null;
  /** Name of the prepared transaction. */
  readonly prepared: string | null;
  /** Null where this role may not see it. */
  readonly application: string | null;
  readonly role: string | null;
  readonly seconds: number | null;
}

interface Conflict {
  readonly lock: TableLock;
  readonly touched: PlacedTable;
  readonly wanted: LockMode;
}

export const tableLocks: Check = {
  id: 'table-locks',
  question: 'Would a pending statement wait for a lock that somebody holds now?',
  why: 'While it waits, every client that comes after it waits too, be it only to read.',
  beforeUp: false,
  async run({ session, pending }) {
    const { tables, unplaced } = touchedTables(pending);
    if (tables.length === 0) return unplaced > 0 ? notKnown : fine('no pending statement locks a table that is there');
    const locks = await readLocks(session, tables);
    // One line for who holds which table, be it in the way of a hundred statements.
    const inTheWay = new Map<string, Conflict>();
    for (const lock of locks) {
      const touched = tables[lock.position - 1];
      if (touched === undefined) continue;
      const wanted = lock.isDefault ? 'ACCESS EXCLUSIVE' : touched.lock;
      const holder = `${whoOf(lock)} ${lock.table}`;
      if (isInTheWay(lock, wanted) && !inTheWay.has(holder)) inTheWay.set(holder, { lock, touched, wanted });
    }
    const [first] = inTheWay.values();
    if (first !== undefined) {
      return { outcome: 'warning', message: firstOf([...inTheWay.values()], shown), hint: ending(first.lock) };
    }
    return unplaced > 0 ? notKnown : fine('nobody holds a lock that a pending statement would wait for');
  },
};

const notKnown: Finding = {
  outcome: 'unknown',
  message: 'pending files set search_path: which tables their names mean is not known',
  hint: 'write the schema before the names of tables',
};

function isInTheWay({ mode, seconds, pid }: TableLock, wanted: LockMode): boolean {
  // What is hidden may be old.
  const isOld = pid === null || seconds === null || seconds >= leastSeconds;
  return isOld && conflictsWith(wanted, modeOfServer(mode));
}

/**
 * Nothing here waits for a lock: pg_partition_tree would. What hangs on a table is locked with it: its partitions and
 * children, and with a DROP the tables that its foreign keys refer to. An autovacuum, which has no role, ends
 * when `up` asks it to, unless it guards against wraparound.
 */
async function readLocks(session: CheckContext['session'], tables: readonly PlacedTable[]): Promise<TableLock[]> {
  return session.rows<
    TableLock & object
  >(sql`WITH RECURSIVE named AS (${namedRelations(tables.map(({ relation }) => relation))}),
tree AS (
  SELECT position, table_oid AS oid FROM named UNION SELECT position, oid FROM named
  UNION SELECT t.position, i.inhrelid FROM tree AS t JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid WHERE t.position = ANY (${positions(tables, ({ reach }) => reach === 'children')})
), locked AS (
  SELECT position, oid, false AS "isDefault" FROM tree
  UNION SELECT t.position, d.partdefid, true FROM tree AS t JOIN pg_catalog.pg_partitioned_table AS d ON d.partrelid = t.oid
  WHERE t.position = ANY (${positions(tables, ({ reach }) => reach === 'default')})
  UNION SELECT t.position, k.confrelid, false FROM tree AS t JOIN pg_catalog.pg_constraint AS k ON k.conrelid = t.oid AND k.contype::pg_catalog.text = 'f'
  WHERE t.position = ANY (${positions(tables, ({ need }) => need === 'drop')})
)
SELECT t.position::pg_catalog.float8 AS position, t.oid::pg_catalog.regclass::pg_catalog.text AS "table", t."isDefault", l.mode, l.granted,
  l.pid::pg_catalog.float8 AS pid, x.gid AS prepared, NULLIF(a.application_name, '') AS application, a.usename::pg_catalog.text AS role,
  pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start) AS seconds
FROM locked AS t
JOIN pg_catalog.pg_locks AS l ON l.relation = t.oid AND l.locktype = 'relation'
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname::pg_catalog.text = pg_catalog.current_database()::pg_catalog.text)
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
-- A prepared transaction has no process: its name is found by the lock on its id.
LEFT JOIN pg_catalog.pg_locks AS o ON l.pid IS NULL AND o.pid IS NULL AND o.locktype = 'transactionid' AND o.virtualtransaction = l.virtualtransaction
LEFT JOIN pg_catalog.pg_prepared_xacts AS x ON x.transaction = o.transactionid
WHERE l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
  AND NOT (a.pid IS NOT NULL AND a.usesysid IS NULL AND a.query NOT LIKE '%(to prevent wraparound)')
ORDER BY a.xact_start NULLS FIRST, l.pid, t.position`);
}

function positions(tables: readonly PlacedTable[], are: (touched: PlacedTable) => boolean): Sql {
  const found = tables.flatMap((touched, at) => (are(touched) ? [String(at + 1)] : []));
  return sql`(${found})::pg_catalog.int8[]`;
}

function whoOf({ pid, prepared, application, role }: TableLock): string {
  if (pid === null) return prepared === null ? 'a prepared transaction' : `the prepared transaction ${prepared}`;
  const details = [application, role === null ? null : `role ${role}`].filter((part) => part !== null);
  return `pid ${pid}${details.length === 0 ? '' : ` (${details.join(', ')})`}`;
}

function shown({ lock, touched, wanted }: Conflict): string {
  const { table, mode, granted, pid, seconds } = lock;
  const since = pid === null || seconds === null ? '' : ` in a transaction of ${age(seconds)}`;
  const has = `${whoOf(lock)} ${granted ? 'holds' : 'waits for'} ${modeOfServer(mode)} on ${table}${since}`;
  return `${has} where ${placeOf(touched)} wants ${wanted}`;
}

function ending({ pid, prepared }: TableLock): string {
  if (pid !== null) return `if it is not to go on: SELECT pg_terminate_backend(${pid})`;
  return prepared === null
    ? 'SELECT * FROM pg_prepared_xacts, then COMMIT PREPARED or ROLLBACK PREPARED'
    : `COMMIT PREPARED ${quoteLiteral(prepared)} or ROLLBACK PREPARED ${quoteLiteral(prepared)}`;
}
