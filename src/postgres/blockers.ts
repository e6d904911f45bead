import { askAutovacuumToEnd } from './autovacuum.ts';
import { besideMs } from './beside.ts';
import type { Session } from './session.ts';
import { sql } from './sql.ts';

/** A session that stands in the way, as far as the role may see it. */
export interface Blocker {
  /** 0 for a prepared transaction, which has no session. */
  readonly pid: number;
  readonly application: string | null;
  readonly role: string | null;
  /** A process of the server itself, without a role: of those that hold a table it is autovacuum. */
  readonly isServers: boolean;
  readonly state: string | null;
  /** How long its transaction is open, seconds. */
  readonly seconds: number | null;
  readonly query: string | null;
}

/**
 * Looks, from a session of its own, at who blocks a backend while that waits. An autovacuum is asked to end: no try of
 * ours is long enough for the server to end it by itself (measured: 61 tries in 76 s behind one).
 */
export interface BlockerWatch {
  /** Starts to look at a backend. */
  watch(backendPid: number): void;
  /** Stops looking and gives who was seen last, since nobody was waited for. */
  seen(): readonly Blocker[];
  /** Stops looking: what was waited for is there. */
  forget(): void;
  close(): void;
}

/** What a watch needs from outside. */
export interface WatchDeps {
  /** Opens another session to the same database, within so many milliseconds if the configured time is longer. */
  readonly connect: (withinMs?: number) => Promise<Session>;
  /** Calls `beat` again and again until the function it gives is called. */
  readonly every: (milliseconds: number, beat: () => void) => () => void;
}

const lookEveryMs = 20;

/**
 * For the first second of a wait; after that one beat in so many, since each look stops the server's lock manager for
 * a moment (manual, pg_blocking_pids), and a build of an index may go on for hours.
 */
const beatsOfAll = 50;
const laterOneIn = 25;
/** Whoever was in the way so many beats ago, and is not since, is not any more. */
const rememberedBeats = 50;

/** A second session is opened at the first `watch`; where that fails, nobody is ever seen. */
export function blockerWatch(deps: WatchDeps): BlockerWatch {
  let eyes: Promise<Session | null> | null = null;
  let stop = () => {};
  let last: readonly Blocker[] = [];
  let wait = {};
  let isAsking = false;
  const ask = async (session: Session, found: readonly Blocker[]) => {
    const workers = found.filter(({ isServers }) => isServers).map(({ pid }) => pid);
    if (workers.length === 0) return;
    isAsking = true;
    await askAutovacuumToEnd(session, workers).finally(() => {
      isAsking = false;
    });
  };
  return {
    watch: (backendPid) => {
      stop();
      eyes ??= deps.connect(besideMs).catch(() => null);
      let looking = false;
      let beats = 0;
      let foundAt = 0;
      const own = wait;
      stop = deps.every(lookEveryMs, () => {
        beats += 1;
        if (looking || isAsking || (beats > beatsOfAll && beats % laterOneIn !== 0)) return;
        looking = true;
        void eyes
          ?.then(async (session) => {
            const found = session === null ? [] : await blockersOf(session, backendPid);
            if (own !== wait || (found.length === 0 && beats - foundAt <= rememberedBeats)) return;
            foundAt = beats;
            last = found;
            if (session !== null) await ask(session, found);
          })
          .catch(() => {})
          .finally(() => {
            looking = false;
          });
      });
    },
    seen: () => {
      stop();
      return last;
    },
    forget: () => {
      stop();
      // An answer that comes late is about what is over.
      wait = {};
      last = [];
    },
    close: () => {
      stop();
      // Not waited for: a connection that is still being opened may take its whole timeout.
      void eyes?.then((session) => session?.close());
    },
  };
}

async function blockersOf(session: Session, backendPid: number): Promise<Blocker[]> {
  return session.rows<Blocker & Record<string, unknown>>(
    sql`SELECT b.pid, a.application_name AS application, a.usename::pg_catalog.text AS role, a.state,
               a.pid IS NOT NULL AND a.usesysid IS NULL AS "isServers",
               pg_catalog.round(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start))::pg_catalog.int4 AS seconds,
               pg_catalog.left(pg_catalog.regexp_replace(a.query, '[[:space:]]+', ' ', 'g'), 80) AS query
        FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(${backendPid})) AS b(pid)
        LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.pid`,
  );
}

/** `pid 812, psql, role anna, idle in transaction for 240 s: SELECT …`. */
export function describeBlocker({ pid, application, role, state, seconds, query }: Blocker): string {
  if (pid === 0) return 'a prepared transaction (see pg_prepared_xacts)';
  const time = seconds === null ? '' : ` for ${seconds} s`;
  const parts = [
    `pid ${pid}`,
    application === null || application === '' ? null : application,
    role === null ? null : `role ${role}`,
    state === null ? null : `${state}${time}`,
  ].filter((part) => part !== null);
  return `${parts.join(', ')}${query === null || query === '' ? '' : `: ${query}`}`;
}
