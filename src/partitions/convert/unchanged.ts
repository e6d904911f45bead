import { PulseError } from '../../errors.ts';
import { typedName } from '../shown-name.ts';
import type { Conversion } from './conversion.ts';
import type { Work } from './deps.ts';
import { refusalsOf } from './refusals.ts';
import { readSourceFacts, type SourceFacts } from './source-facts.ts';
import { structureOf } from './structure.ts';

/**
 * What the catalog says of the table now, where nothing stands against the swap. `plain` leaves out what the conversion
 * itself has put on the table.
 * @throws {PulseError} `not-possible` where the table is not what it was when the conversion began.
 */
export async function unchangedFacts(
  { session, toolSchema }: Work,
  conversion: Conversion,
  plain: (facts: SourceFacts) => SourceFacts = (facts) => facts,
): Promise<SourceFacts> {
  const { name, spec, sourceOid } = conversion;
  const read = await readSourceFacts(session, sourceOid, toolSchema);
  const hint = `the table is untouched; begin anew: pulse-migrate partition abort ${typedName(conversion)}, then convert`;
  if (read === null) throw new PulseError('not-possible', `${name} was dropped meanwhile`, { hint });
  const facts = plain(read);
  if (structureOf(facts) !== spec.structure || facts.name !== name || facts.schema !== conversion.schema) {
    throw new PulseError('not-possible', `${name} was altered since its conversion began`, { hint });
  }
  const strategy = spec.attach === undefined ? 'copy' : 'attach';
  const refusals = refusalsOf(facts, { column: spec.key.column, unique: spec.unique, strategy });
  const [first] = refusals;
  if (first === undefined) return facts;
  throw new PulseError(
    'not-possible',
    `${name} cannot be converted as it is now: ${refusals.map(({ message }) => message).join('; ')}`,
    {
      hint: `${first.hint}; then run: pulse-migrate partition resume ${typedName(conversion)}`,
    },
  );
}
