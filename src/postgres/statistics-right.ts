import type { Session } from './session.ts';
import { sql } from './sql.ts';

/** Whether a role may see what others do, and what gives it that. */
export interface StatisticsRight {
  readonly has: boolean;
  /** To be typed by a superuser: `GRANT pg_read_all_stats TO app`. */
  readonly grant: string;
}

/** Of the role of this session (manual, "Predefined Roles"). */
export async function statisticsRight(session: Session): Promise<StatisticsRight> {
  const [row] = await session.rows<StatisticsRight & object>(
    sql`SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS has,
  'GRANT pg_read_all_stats TO ' || pg_catalog.quote_ident(current_user) AS grant`,
  );
  return row ?? { has: false, grant: 'GRANT pg_read_all_stats TO …' };
}
