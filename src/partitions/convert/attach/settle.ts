import { sql } from '../../../postgres/sql.ts';
import { type Conversion, moveOn, readConversion } from '../conversion.ts';
import type { Work } from '../deps.ts';
import { lostTrack } from '../failures.ts';
import { nameSql } from '../source-facts.ts';
import { ownBegin } from '../under-lock.ts';

/** After the exchange: the statistics of the table as a whole, which autovacuum never collects itself. */
export async function analyzeNew({ session, toolSchema }: Work, conversion: Conversion): Promise<Conversion> {
  await session.run(`${ownBegin()}; ANALYZE ${nameSql(conversion)}; COMMIT`);
  const moved = await session.rows(moveOn(toolSchema, conversion, sql`phase = 'completed'`));
  if (moved.length === 0) throw lostTrack(conversion);
  return readConversion(session, toolSchema, conversion.id);
}
