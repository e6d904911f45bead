/** Reads `partitions`: the tables that are partitioned by time, by name. */
import { type PartitionedTableSetting, periods } from '../periods.ts';
import { Fields, readingOf, sectionOf } from './fields.ts';
import { type Misfit, type Reading, readChoice, readCount } from './readings.ts';

const like = 'commits: { period: month, lead: 3 }';

/** A section of tables with `period` and `lead`, each of which may be left out, but not both. */
export function readPartitionedTables(raw: unknown): Reading<readonly PartitionedTableSetting[]> {
  const section = sectionOf(raw);
  if (section === null) return { ok: false, problem: 'must hold tables by name', hint: `write for example ${like}` };
  const misfits: Misfit[] = [];
  const tables: PartitionedTableSetting[] = [];
  for (const [table, value] of section) {
    const own = sectionOf(value);
    if (own === null) {
      misfits.push({ problem: 'must say period or lead', hint: `write for example ${like}`, at: [table] });
      continue;
    }
    const fields = new Fields(own, [table]);
    const period = fields.optional('period', readChoice(periods));
    const lead = fields.optional('lead', readLead);
    fields.refuseOthers();
    if (own.size === 0) fields.refuse('must say period or lead', `write for example ${like}`);
    misfits.push(...fields.misfits);
    tables.push({ table, period, lead });
  }
  return readingOf(misfits, tables);
}

/** As `--lead` takes it. */
function readLead(raw: unknown): Reading<number> {
  const reading = readCount(raw);
  return reading.ok && reading.value === 0
    ? { ok: false, problem: 'must be at least 1', hint: 'write for example 3' }
    : reading;
}
