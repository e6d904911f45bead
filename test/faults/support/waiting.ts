import type { Session } from '../../../src/postgres/session.ts';
import { raw } from '../../../src/postgres/sql.ts';
import { until } from '../../support/until.ts';
import { runName } from './through-proxy.ts';

/** A place where an `up` waits for somebody else, until that session ends. */
export interface Waiting {
  /** Migrations that are applied before. */
  readonly steps: number;
  /** What the other session does. */
  readonly hold: string;
  /** What is true of the run's session in pg_stat_activity once it waits. */
  readonly waits: string;
}

export const waitings: Readonly<Record<'lock' | 'lease' | 'concurrently', Waiting>> = {
  lock: {
    steps: 1,
    hold: 'BEGIN; LOCK TABLE people IN ACCESS SHARE MODE',
    waits: "wait_event_type = 'Lock'",
  },
  lease: {
    steps: 1,
    hold: `UPDATE pulse_migrate.lease AS l SET token = gen_random_uuid(), taken_at = now(), pooled = false,
  holder = '{}', backend_pid = a.pid, backend_start = a.backend_start, expires_at = now() + interval '1 hour'
FROM pg_stat_activity AS a WHERE a.pid = pg_backend_pid()`,
    waits: "state = 'idle' AND query LIKE '%lease%'",
  },
  // It waits for the locks of older transactions once its index is there, INVALID.
  concurrently: {
    steps: 2,
    hold: 'BEGIN; LOCK TABLE people IN ROW EXCLUSIVE MODE',
    waits: "wait_event_type = 'Lock' AND query LIKE '%CREATE INDEX CONCURRENTLY%'",
  },
};

/** Waits until a run waits, as the session sees it that it waits for. */
export async function untilWaiting(holder: Session, { waits }: Waiting): Promise<void> {
  await until('the run waits', async () => {
    const rows = await holder.rows(
      raw(`SELECT pg_stat_clear_snapshot();
SELECT 1 AS one FROM pg_stat_activity WHERE datname = current_database() AND application_name = '${runName}' AND ${waits}`),
    );
    return rows.length > 0;
  });
}
