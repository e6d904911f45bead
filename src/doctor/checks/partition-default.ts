import { readPartitionedTables } from '../../partitions/catalog.ts';
import { quoteIdentifier } from '../../postgres/identifiers.ts';
import { ident, join, raw, sql } from '../../postgres/sql.ts';
import { type Check, fine } from '../check.ts';

/** A partition that was emptied without a VACUUM may have to be read through, milliseconds. */
const longestLookMs = 500;

export const partitionDefault: Check = {
  id: 'partition-default',
  question: 'Are the DEFAULT partitions of tables that are partitioned by time empty?',
  why: 'No partition can be made for the time of rows that wait there, they are never removed with their period, and every ATTACH looks through all of them under a lock.',
  beforeUp: false,
  async run({ session }) {
    const tables = (await readPartitionedTables(session, null)).flatMap((table) =>
      'why' in table || table.defaultPartition === null || table.defaultPartition.bytes === 0
        ? []
        : [{ schema: table.schema, name: table.name, other: table.defaultPartition }],
    );
    if (tables.length === 0) return fine('no DEFAULT partition holds rows');
    // The first row that is found is enough; each look is one statement, all of them one message.
    const looks = tables.map(
      ({ other }, index) =>
        sql`SELECT ${index} AS place WHERE EXISTS (SELECT FROM ONLY ${ident(other.schema, other.name)})`,
    );
    const found = await session.rows<{ place: number }>(
      sql`SET LOCAL statement_timeout = ${raw(String(longestLookMs))};
${join(looks, ' UNION ALL ')}`,
    );
    const holding = found.flatMap(({ place }) => tables[place] ?? []);
    const [first] = holding;
    if (first === undefined) return fine('no DEFAULT partition holds rows');
    return {
      outcome: 'warning',
      message: `${holding.map(({ other }) => other.name).join(', ')} holds rows that belong to no partition`,
      hint: `pulse-migrate partition drain '${quoteIdentifier(first.schema)}.${quoteIdentifier(first.name)}'`,
    };
  },
};
