/** Reads `queries`: statements that have to stay fast, by name. */
import type { KeyQuery } from '../key-query.ts';
import { Fields, readingOf, sectionOf } from './fields.ts';
import { type Misfit, type Reading, readPositiveDuration, readText, readTextList } from './readings.ts';

const like = "unread: { sql: 'SELECT …', target: 10ms }";

/** A section of queries with `sql`, `target`, and where there are any `parameters` and `index`. */
export function readKeyQueries(raw: unknown): Reading<readonly KeyQuery[]> {
  const section = sectionOf(raw);
  if (section === null) return { ok: false, problem: 'must hold queries by name', hint: `write for example ${like}` };
  const misfits: Misfit[] = [];
  const queries: KeyQuery[] = [];
  for (const [name, value] of section) {
    const own = sectionOf(value);
    if (own === null) {
      misfits.push({ problem: 'must say sql and target', hint: `write for example ${like}`, at: [name] });
      continue;
    }
    const fields = new Fields(own, [name]);
    const text = fields.required('sql', readText, "sql: 'SELECT …'");
    const targetMs = fields.required('target', readPositiveDuration, 'target: 50ms');
    const parameters = fields.optional('parameters', readText);
    const index = fields.optional('index', readIndexes) ?? [];
    fields.refuseOthers();
    misfits.push(...fields.misfits);
    queries.push({ name, sql: text ?? '', parameters, targetMs: targetMs ?? 0, indexes: index });
  }
  return readingOf(misfits, queries);
}

/** `idx_a`, `idx_a | idx_b`, or a list of such. */
function readIndexes(raw: unknown): Reading<readonly (readonly string[])[]> {
  const list = typeof raw === 'string' ? readText(raw) : readTextList(raw);
  if (!list.ok) return list;
  const names = typeof list.value === 'string' ? [list.value] : list.value;
  return { ok: true, value: names.map((name) => name.split('|').map((one) => one.trim())) };
}
