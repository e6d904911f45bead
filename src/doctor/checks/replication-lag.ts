import { sql } from '../../postgres/sql.ts';
import { statisticsRight } from '../../postgres/statistics-right.ts';
import { age } from '../age.ts';
import { showBytes } from '../bytes.ts';
import { type Check, fine } from '../check.ts';
import { firstOf } from '../first-of.ts';

/** Ten seconds behind, or this much WAL: a standby of no failing network has both within one. */
const mostSeconds = 10;
const mostBytes = 64 * 1_048_576;

interface Standby {
  readonly name: string;
  /** Null where this role may not see it. */
  readonly bytes: number | null;
  readonly seconds: number | null;
}

export const replicationLag: Check = {
  id: 'replication-lag',
  question: 'Do the standbys keep up?',
  why: 'A migration adds to what a standby has to catch up with: reads there become older, and a synchronous one holds up every COMMIT.',
  beforeUp: false,
  async run({ session }) {
    const standbys =
      await session.rows<Standby>(sql`SELECT COALESCE(NULLIF(r.application_name, ''), 'pid ' || r.pid::pg_catalog.text) AS name,
  CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), r.replay_lsn) END::pg_catalog.float8 AS bytes,
  pg_catalog.date_part('epoch', r.replay_lag) AS seconds
FROM pg_catalog.pg_stat_replication AS r ORDER BY 1`);
    if (standbys.length === 0) return fine('no standby is connected');
    const late = standbys.filter(({ bytes, seconds }) => (bytes ?? 0) > mostBytes || (seconds ?? 0) > mostSeconds);
    if (late.length > 0) {
      return {
        outcome: 'warning',
        message: `behind: ${firstOf(late.map(shown))}`,
        hint: 'wait until it has caught up, or find out what holds it up: SELECT * FROM pg_stat_replication',
      };
    }
    if (standbys.every(({ bytes }) => bytes === null)) {
      return {
        outcome: 'unknown',
        message: 'how far the standbys are is hidden from this role',
        hint: (await statisticsRight(session)).grant,
      };
    }
    return fine(`${standbys.map(({ name }) => name).join(', ')} ${standbys.length === 1 ? 'keeps' : 'keep'} up`);
  },
};

function shown({ name, bytes, seconds }: Standby): string {
  const parts = [
    ...(bytes === null ? [] : [showBytes(bytes)]),
    ...(seconds === null || seconds < 1 ? [] : [age(seconds)]),
  ];
  return `${name} by ${parts.join(' and ')}`;
}
