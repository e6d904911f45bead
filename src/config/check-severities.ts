/** Reads `checks.severity`: how grave the finding of a check is here. */
import type { Severity } from '../check-severity.ts';
import { readingOf, sectionOf } from './fields.ts';
import { type Misfit, type Reading, readChoice } from './readings.ts';

const readSeverity = readChoice(['ignore', 'warning', 'failure']);

/** A section of severities by the id of the check. */
export function readSeverities(raw: unknown): Reading<ReadonlyMap<string, Severity>> {
  const section = sectionOf(raw);
  if (section === null) {
    return { ok: false, problem: 'must hold severities by check', hint: 'write for example slow-log: ignore' };
  }
  const misfits: Misfit[] = [];
  const severities = new Map<string, Severity>();
  for (const [id, value] of section) {
    const reading = readSeverity(value);
    if (reading.ok) severities.set(id, reading.value);
    else misfits.push({ problem: reading.problem, ...(reading.hint && { hint: reading.hint }), at: [id] });
  }
  return readingOf(misfits, severities);
}
