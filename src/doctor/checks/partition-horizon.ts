import { calendarOf, instantOf, isoOf, shifted } from '../../partitions/calendar.ts';
import { readPartitionedTables } from '../../partitions/catalog.ts';
import { settingsByOid } from '../../partitions/configured-tables.ts';
import { usualLead } from '../../partitions/create-next.ts';
import { calendarOfPartitions } from '../../partitions/list.ts';
import { missingRanges } from '../../partitions/missing-ranges.ts';
import { sql } from '../../postgres/sql.ts';
import { type Check, fine } from '../check.ts';
import { firstOf } from '../first-of.ts';

export const partitionHorizon: Check = {
  id: 'partition-horizon',
  question: 'Are the partitions of the next periods there?',
  why: 'A row for which there is no partition is refused, or fills the DEFAULT partition, from where it has to be moved.',
  beforeUp: false,
  async run({ session, partitioned }) {
    const tables = (await readPartitionedTables(session, null)).flatMap((table) => ('why' in table ? [] : [table]));
    if (tables.length === 0) return fine('no table is partitioned by time');
    const [clock] = await session.rows<{ now: string }>(
      sql`SELECT (pg_catalog.date_part('epoch', pg_catalog.now()) OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)::pg_catalog.int8::pg_catalog.text AS now`,
    );
    const now = instantOf(new Date(Number(clock?.now)));
    const { byOid } = await settingsByOid(session, partitioned);
    // As create-next decides: by the configuration, and else by what the partitions show.
    const unclear: string[] = [];
    const short = tables.flatMap((table) => {
      const setting = byOid.get(table.oid);
      const calendar = setting?.period ? calendarOf(setting.period) : calendarOfPartitions(table);
      if (calendar === null) {
        unclear.push(table.name);
        return [];
      }
      const covered = table.partitions.map(({ range }) => range);
      const lead = setting?.lead ?? usualLead[calendar.period];
      const [first] = missingRanges(calendar, covered, { now, lead });
      if (first === undefined) return [];
      // Rows that come before the next period ends have no other place.
      const soon = first.from < shifted(calendarOf(calendar.period), now, 1);
      return [{ name: table.name, from: isoOf(first.from), urgent: soon && table.defaultPartition === null }];
    });
    if (short.length === 0 && unclear.length > 0) {
      return {
        outcome: 'unknown',
        message: `the partitions of ${firstOf(unclear)} show no period, so what is missing is not known`,
        hint: `name it in the configuration: partitions: { ${unclear[0]}: { period: month } }`,
      };
    }
    if (short.length === 0) return fine(`the partitions of the next periods are there (${tables.length} tables)`);
    const list = short.map(({ name, from }) => `${name} has none from ${from.replace('T00:00:00Z', '')}`).join(', ');
    return {
      outcome: short.some(({ urgent }) => urgent) ? 'failure' : 'warning',
      message: list,
      hint: 'pulse-migrate partition create-next',
    };
  },
};
