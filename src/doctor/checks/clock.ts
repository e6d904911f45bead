import { sql } from '../../postgres/sql.ts';
import { type Check, type Finding, fine } from '../check.ts';

const mostMs = 5000;

export const clock: Check = {
  id: 'clock',
  question: 'Do this machine and the server agree on the time?',
  why: 'What comes due (partitions, retention, archives) is reckoned by the clock of this machine, and recorded by that of the server.',
  beforeUp: false,
  async run({ session, now }) {
    const before = now().getTime();
    const [row] = await session.rows<{ time: number }>(
      sql`SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) AS time`,
    );
    return judgeClock(before, (row?.time ?? 0) * 1000, now().getTime());
  },
};

/** The server said `server` between `before` and `after`, milliseconds since 1970: what lies outside is a difference. */
export function judgeClock(before: number, server: number, after: number): Finding {
  const difference = server > after ? server - after : Math.min(0, server - before);
  if (Math.abs(difference) <= mostMs) return fine('the clocks of this machine and of the server agree');
  const seconds = (Math.abs(difference) / 1000).toFixed(0);
  return {
    outcome: 'warning',
    message: `the clock of the server is at least ${seconds} seconds ${difference > 0 ? 'ahead of' : 'behind'} this machine's`,
    hint: 'have both follow a time server: timedatectl set-ntp true',
  };
}
