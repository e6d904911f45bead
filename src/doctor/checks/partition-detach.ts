import { sql } from '../../postgres/sql.ts';
import { type Check, fine } from '../check.ts';

export const partitionDetach: Check = {
  id: 'partition-detach',
  question: 'Is every DETACH … CONCURRENTLY finished?',
  why: 'One that was cut off leaves a partition whose rows are not seen through its table, and no other partition of it can be detached so.',
  beforeUp: false,
  async run({ session }) {
    const rows = await session.rows<{ parent: string; child: string }>(sql`SELECT
  pg_catalog.format('%I.%I', pn.nspname, p.relname) AS parent, pg_catalog.format('%I.%I', cn.nspname, c.relname) AS child
FROM pg_catalog.pg_inherits AS i
JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid JOIN pg_catalog.pg_namespace AS cn ON cn.oid = c.relnamespace
WHERE i.inhdetachpending ORDER BY 1, 2`);
    const [first] = rows;
    if (first === undefined) return fine('no detach was cut off');
    return {
      outcome: 'failure',
      message: `${rows.map(({ parent, child }) => `${child} is half detached from ${parent}`).join(', ')}`,
      hint: `pulse-migrate partition detach '${first.parent}' '${first.child}'`,
    };
  },
};
