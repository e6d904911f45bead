/** Reads `partitions`: the tables that are partitioned by time, by name. */
import { type PartitionedTableSetting, periods } from '../periods.ts';
import { Fields, readingOf, sectionOf } from './fields.ts';
import { type Misfit, type Reading, readChoice, readCount, readText } from './readings.ts';

const like = 'commits: { period: month, lead: 3 }';

/** A section of tables with `period`, `lead`, `by` and `trigger`, each of which may be left out, but not all. */
export function readPartitionedTables(raw: unknown): Reading<readonly PartitionedTableSetting[]> {
  const section = sectionOf(raw);
  if (section === null) return { ok: false, problem: 'must hold tables by name', hint: `write for example ${like}` };
  const misfits: Misfit[] = [];
  const tables: PartitionedTableSetting[] = [];
  for (const [table, value] of section) {
    const own = sectionOf(value);
    if (own === null) {
      misfits.push({ problem: 'must say period, lead, by or trigger', hint: `write for example ${like}`, at: [table] });
      continue;
    }
    const fields = new Fields(own, [table]);
    const period = fields.optional('period', readChoice(periods));
    const lead = fields.optional('lead', readLead);
    const by = fields.optional('by', readText);
    const trigger = fields.optional('trigger', readTrigger);
    fields.refuseOthers();
    if (own.size === 0) fields.refuse('must say period, lead, by or trigger', `write for example ${like}`);
    misfits.push(...fields.misfits);
    tables.push({ table, period, lead, by, trigger });
  }
  return readingOf(misfits, tables);
}

/** `{ rows: 5000000 }`. */
function readTrigger(raw: unknown): Reading<{ readonly rows: number }> {
  const section = sectionOf(raw);
  if (section === null) return { ok: false, problem: 'must say rows', hint: 'write for example { rows: 5000000 }' };
  const fields = new Fields(section, []);
  const rows = fields.required('rows', readRows, 'rows: 5000000');
  fields.refuseOthers();
  return readingOf(fields.misfits, { rows: rows ?? 0 });
}

function readRows(raw: unknown): Reading<number> {
  const rows = typeof raw === 'string' && /^\d{1,15}$/.test(raw) ? Number(raw) : raw;
  return typeof rows === 'number' && Number.isSafeInteger(rows) && rows > 0
    ? { ok: true, value: rows }
    : { ok: false, problem: 'must be a whole number of rows, at least 1', hint: 'write for example 5000000' };
}

/** As `--lead` takes it. */
function readLead(raw: unknown): Reading<number> {
  const reading = readCount(raw);
  return reading.ok && reading.value === 0
    ? { ok: false, problem: 'must be at least 1', hint: 'write for example 3' }
    : reading;
}
