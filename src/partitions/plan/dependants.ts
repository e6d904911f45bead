import { type Refusal, refusalsOf } from '../convert/refusals.ts';
import type { SourceFacts } from '../convert/source-facts.ts';
import { shownTable } from '../shown-name.ts';

/** What becomes of something that hangs on the table. */
export type Fate = 'kept' | 'made anew' | 'refused';

export interface Dependant {
  /** `foreign key commits_repo_id_fkey`. */
  readonly what: string;
  readonly fate: Fate;
  /** How it is kept, or why not. */
  readonly how: string;
}

/** What of the facts can stand against a conversion by itself. */
type Part = Pick<SourceFacts, 'checks' | 'foreignKeys' | 'triggers' | 'publications' | 'dependents'>;
const nothing: Part = { checks: [], foreignKeys: [], triggers: [], publications: [], dependents: [] };

/** Everything that hangs on the table, and what a conversion does with it: the refusals are those of the conversion. */
export function dependantsOf(facts: SourceFacts, column: string): readonly Dependant[] {
  // None of these depends on how rows get into partitions.
  const wanted = { column, unique: 'widen', strategy: 'copy' } as const;
  const base = refusalsOf({ ...facts, ...nothing }, wanted);
  const against = (part: Partial<Part>): readonly Refusal[] => {
    const known = new Set(base.map(({ message }) => message));
    return refusalsOf({ ...facts, ...nothing, ...part }, wanted).filter(({ message }) => !known.has(message));
  };
  const told = (what: string, part: Partial<Part>, fate: Fate, how: string): Dependant => {
    const [refusal] = against(part);
    return refusal === undefined ? { what, fate, how } : { what, fate: 'refused', how: refusal.message };
  };
  return [
    ...facts.foreignKeys.map((key) =>
      told(
        `foreign key ${key.name} to ${shownTable(key.references)}`,
        { foreignKeys: [key] },
        'made anew',
        'under its name, on each partition in the exchange, and validated behind it',
      ),
    ),
    ...facts.dependents.map((dependent) =>
      told(
        dependent.described.replace(/^rule _RETURN on /, ''),
        { dependents: [dependent] },
        dependent.inbound === null ? 'kept' : 'made anew',
        dependent.inbound === null
          ? 'replaced in the exchange by its own definition: its rights and what hangs on it stay'
          : 'under its name, in the exchange, and validated behind it',
      ),
    ),
    ...facts.triggers.map((trigger) =>
      told(
        `trigger ${trigger.name}`,
        { triggers: [trigger] },
        'made anew',
        trigger.row ? 'in the exchange; PostgreSQL clones it to each partition' : 'in the exchange',
      ),
    ),
    ...facts.checks.map((check) =>
      told(`CHECK ${check.name}`, { checks: [check] }, 'made anew', 'with the new table, under its name'),
    ),
    ...facts.publications.map((publication) =>
      told(`publication ${publication.name}`, { publications: [publication] }, 'kept', 'it goes with the name'),
    ),
    ...plain(facts),
  ];
}

/** What is never refused. */
function plain(facts: SourceFacts): readonly Dependant[] {
  const grants =
    (facts.rights ?? []).length + facts.columns.reduce((sum, { rights }) => sum + (rights ?? []).length, 0);
  return [
    ...facts.policies.map(
      ({ name }): Dependant => ({ what: `policy ${name}`, fate: 'made anew', how: 'in the exchange' }),
    ),
    ...facts.columns.flatMap(({ name, sequence, identity }): Dependant[] =>
      sequence === null
        ? []
        : [
            {
              what: `sequence ${sequence.name} of ${name}`,
              fate: 'kept',
              how: identity
                ? 'the new table has one of its own, which takes the name and goes on with the next number'
                : 'it goes over to the new table as it is',
            },
          ],
    ),
    ...(grants === 0
      ? []
      : [{ what: `${grants} rights granted`, fate: 'made anew', how: 'with the new table' } as const]),
  ];
}
