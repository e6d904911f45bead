import { PulseError } from '../../errors.ts';
import { raw, sql } from '../../postgres/sql.ts';
import { typedName } from '../shown-name.ts';
import { captureTriggers, triggerName } from './capture.ts';
import { type Conversion, partsOf } from './conversion.ts';
import type { Work } from './deps.ts';

/**
 * What somebody disabled or dropped logs nothing. A trigger that was disabled and is enabled again cannot be told from
 * one that always was: there the comparison before the exchange finds what is missing.
 * @throws {PulseError} `not-possible` where a trigger of the capture is not on the table as it was put there.
 */
export async function assertCaptured(work: Work, conversion: Conversion): Promise<void> {
  const { name, sourceOid } = conversion;
  const wanted = [...captureTriggers, 'guard'].map(triggerName);
  const there = await work.session.rows<{
    name: string;
  }>(sql`SELECT t.tgname::pg_catalog.text AS name FROM pg_catalog.pg_trigger AS t
WHERE t.tgrelid = ${sourceOid}::pg_catalog.oid AND t.tgenabled = 'A' AND ${isOurs(work, conversion)}`);
  const missing = wanted.filter((trigger) => !there.some((found) => found.name === trigger));
  if (missing.length === 0) return;
  throw new PulseError(
    'not-possible',
    `${name}: ${missing.join(', ')} is disabled or gone, and changes since may not be in the log`,
    { hint: `the table is untouched; begin anew: pulse-migrate partition abort ${typedName(conversion)}` },
  );
}

/**
 * The same for the way back, on the table and every partition.
 * @throws {PulseError} `not-possible`
 */
export async function assertWayBackCaptured(work: Work, conversion: Conversion): Promise<void> {
  const { name, targetOid } = conversion;
  const missing = await work.session.rows<{
    name: string;
  }>(sql`SELECT c.relname::pg_catalog.text AS name FROM pg_catalog.pg_class AS c
WHERE (c.oid = ${targetOid}::pg_catalog.oid OR c.oid IN (
    SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = ${targetOid}::pg_catalog.oid))
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgname = ${triggerName('reverse')}
    AND t.tgenabled IN ('A', 'O') AND ${isOurs(work, conversion)})
ORDER BY c.relname`);
  if (missing.length === 0) return;
  throw new PulseError(
    'not-possible',
    `${name}: ${triggerName('reverse')} is disabled or gone on ${missing.map((table) => table.name).join(', ')}, and what was written since the exchange may not be in the log: it would be lost`,
    { hint: `keep the partitions: pulse-migrate partition finish ${typedName(conversion)} --i-know` },
  );
}

function isOurs({ toolSchema }: Work, { id }: Conversion) {
  const { capture, reverseCapture, guard } = partsOf(toolSchema, id);
  const functions = [capture, reverseCapture, guard].map(
    (own) => sql`pg_catalog.to_regprocedure(${`${own}()`})::pg_catalog.oid`.text,
  );
  return raw(`t.tgfoid IN (${functions.join(', ')})`);
}
