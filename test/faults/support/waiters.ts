import { setTimeout as sleep } from 'node:timers/promises';
import type { TestDatabase } from '../../support/database.ts';

/** What was seen of sessions that a run must never have. */
interface Seen {
  readonly samples: number;
  readonly seen: readonly string[];
}

/**
 * Looks again and again for sessions of runs that could hold up a CREATE INDEX CONCURRENTLY for as long as they wait:
 * a snapshot between two statements, or a wait for a lock within one. An index build itself may wait, and so may a look
 * at the user's tables that limits its own wait. What a session waits for is read a moment after its state: one that is
 * idle waits for nothing.
 */
export function watchWaiters({ admin }: TestDatabase): { end(): Promise<Seen> } {
  const seen = new Set<string>();
  let samples = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const rows = await admin<{ what: string }>(`SELECT concat_ws(' ', state, wait_event, query) AS what
FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'pulse-migrate%' AND query !~ 'CONCURRENTLY'
  AND ((backend_xmin IS NOT NULL AND state <> 'active')
    OR (wait_event_type = 'Lock' AND state = 'active' AND query NOT LIKE 'SET LOCAL lock_timeout%'))`);
      samples += 1;
      for (const { what } of rows) seen.add(what.slice(0, 300));
      await sleep(5);
    }
  })();
  // A failure is told where the end is waited for.
  watching.catch(() => {});
  return {
    end: async () => {
      isOver = true;
      await watching;
      return { samples, seen: [...seen] };
    },
  };
}
