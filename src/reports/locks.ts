import type { Session } from '../postgres/session.ts';
import { sql } from '../postgres/sql.ts';
import { statisticsRight } from '../postgres/statistics-right.ts';

/** A backend that waits for a lock, or that others wait for. */
export interface LockHolder {
  readonly pid: number;
  readonly application: string;
  readonly role: string;
  /** `active`, `idle in transaction`, …; null where this role may not see it. */
  readonly state: string | null;
  /** Of its transaction, seconds; null outside of one or where it may not be seen. */
  readonly transactionSeconds: number | null;
  /** So long it has waited, seconds; null: it does not wait. */
  readonly waitSeconds: number | null;
  /** What it waits for: mode and relation. */
  readonly wants: string | null;
  /** Null where this role may not see it. */
  readonly statement: string | null;
  readonly blockedBy: readonly number[];
}

export interface LockNode extends LockHolder {
  /** Those that wait for it. */
  readonly waiting: readonly LockNode[];
  /** Those it waits for that have no line here: pids at work in another database, and 0 for a prepared transaction. */
  readonly heldElsewhere: readonly number[];
  /** It stands further up already: who waits for whom is a circle, which the server will end. */
  readonly isAgain: boolean;
}

export interface LocksReport {
  /** Those that do not wait themselves, with all that wait for them. */
  readonly blockers: readonly LockNode[];
  readonly waiting: number;
  /** What others do is hidden from a role that is no member of pg_read_all_stats. */
  readonly isHidden: boolean;
  /** What shows it, to be typed by a superuser. */
  readonly toSee: string;
}

/** Who waits for whom in this database now. Reads only. */
export async function readLocks(session: Session): Promise<LocksReport> {
  const rows = await session.rows<LockHolder>(sql`WITH w AS MATERIALIZED (
  SELECT DISTINCT ON (l.pid) l.pid, l.waitstart AS since, pg_catalog.concat_ws(' ', l.mode, CASE WHEN l.relation IS NULL THEN l.locktype ELSE 'on ' || l.relation::pg_catalog.regclass::pg_catalog.text END) AS wants
  FROM pg_catalog.pg_locks AS l WHERE NOT l.granted ORDER BY l.pid)
SELECT a.pid::pg_catalog.float8 AS pid, a.application_name AS application,
  COALESCE(a.usename::pg_catalog.text, '') AS role, a.state,
  pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start) AS "transactionSeconds",
  pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - w.since) AS "waitSeconds", w.wants,
  NULLIF(a.query, '<insufficient privilege>') AS statement, pg_catalog.to_json(b.pids) AS "blockedBy"
FROM pg_catalog.pg_stat_activity AS a LEFT JOIN w ON w.pid = a.pid
-- Each call holds up the lock manager of the whole server: none for those that wait for nothing.
CROSS JOIN LATERAL (SELECT CASE WHEN w.pid IS NULL THEN '{}'::pg_catalog.int4[] ELSE pg_catalog.pg_blocking_pids(a.pid) END AS pids) AS b
WHERE a.datname::pg_catalog.text = pg_catalog.current_database()::pg_catalog.text AND a.pid <> pg_catalog.pg_backend_pid() ORDER BY a.pid`);
  const right = await statisticsRight(session);
  const waiting = rows.filter(({ blockedBy }) => blockedBy.length > 0);
  return {
    blockers: treeOf(rows),
    waiting: waiting.length,
    isHidden: waiting.length > 0 && !right.has,
    toSee: right.grant,
  };
}

/** Each waiter stands below everybody it waits for. Whoever waits in a circle has no end: the first of it is the root. */
export function treeOf(holders: readonly LockHolder[]): readonly LockNode[] {
  const waitingFor = (pid: number) => holders.filter(({ blockedBy }) => blockedBy.includes(pid));
  const listed = new Set(holders.map(({ pid }) => pid));
  const seen = new Set<number>();
  const node = (holder: LockHolder, above: readonly number[]): LockNode => {
    seen.add(holder.pid);
    const isAgain = above.includes(holder.pid);
    const below = isAgain ? [] : waitingFor(holder.pid).map((one) => node(one, [...above, holder.pid]));
    const heldElsewhere = [...new Set(holder.blockedBy)].filter((pid) => !listed.has(pid));
    return { ...holder, waiting: below, heldElsewhere, isAgain };
  };
  const roots = holders.filter(({ pid, blockedBy }) => blockedBy.length === 0 && waitingFor(pid).length > 0);
  const trees = roots.map((root) => node(root, []));
  // Held up by a prepared transaction or another database, which have no line here, or in a circle.
  for (const holder of holders) if (holder.blockedBy.length > 0 && !seen.has(holder.pid)) trees.push(node(holder, []));
  return trees;
}
