import { sql } from '../../../postgres/sql.ts';
import { type Conversion, moveOn, readConversion } from '../conversion.ts';
import type { Work } from '../deps.ts';
import { lostTrack } from '../failures.ts';
import { validateInbound } from '../inbound.ts';
import { nameSql } from '../source-facts.ts';
import { ownBegin } from '../under-lock.ts';

/**
 * After the exchange: foreign keys of other tables are validated, and the statistics of the table as a whole collected,
 * which autovacuum never does itself.
 */
export async function settleAttached(work: Work, conversion: Conversion): Promise<Conversion> {
  const { session, toolSchema } = work;
  await validateInbound(work, conversion);
  await session.run(`${ownBegin()}; ANALYZE ${nameSql(conversion)}; COMMIT`);
  const moved = await session.rows(moveOn(toolSchema, conversion, sql`phase = 'completed'`));
  if (moved.length === 0) throw lostTrack(conversion);
  return readConversion(session, toolSchema, conversion.id);
}
