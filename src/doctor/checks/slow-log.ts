import { sql } from '../../postgres/sql.ts';
import { type Check, fine } from '../check.ts';

export const slowLog: Check = {
  id: 'slow-log',
  question: 'Does the server write down what is slow?',
  why: 'What a migration made slow is found in the log of the server, where that is written.',
  beforeUp: false,
  async run({ session }) {
    const [row] = await session.rows<{ value: string }>(
      sql`SELECT pg_catalog.current_setting('log_min_duration_statement') AS value`,
    );
    if (row?.value !== '-1') return fine(`statements of ${row?.value} and more are logged`);
    return {
      outcome: 'warning',
      message: 'slow statements are not logged (log_min_duration_statement is -1)',
      hint: 'pulse-migrate monitor setup; to do without: checks: { severity: { slow-log: ignore } } in the configuration',
    };
  },
};
