import { readConversions } from '../../partitions/convert/conversion.ts';
import { typedName } from '../../partitions/shown-name.ts';
import { sql } from '../../postgres/sql.ts';
import { type Check, fine } from '../check.ts';

export const partitionConversion: Check = {
  id: 'partition-conversion',
  question: 'Has every conversion to partitions come to its end?',
  why: 'One that stopped half-way costs every write to its table, and its log of changes grows until somebody goes on with it.',
  beforeUp: false,
  async run({ session, ledgerSchema }) {
    const open = await readConversions(session, ledgerSchema, sql`ended_at IS NULL`);
    const [first] = open.filter(({ phase }) => phase !== 'completed');
    if (first !== undefined) {
      const name = typedName(first);
      const { attach } = first.spec;
      const closed =
        attach === undefined || first.phase !== 'prepared'
          ? ''
          : `; it takes no row at or behind ${attach.cutover} once the CHECK is there, and until it goes on`;
      return {
        outcome: 'warning',
        message: `the ${first.spec.split === undefined ? 'conversion' : 'split'} of ${name} is ${first.phase}, begun at ${first.startedAt}${closed}`,
        hint: `see whether it is still at work: pulse-migrate partition status ${name}; if it is not: pulse-migrate partition resume ${name}`,
      };
    }
    const [kept] = open;
    if (kept === undefined) return fine('no table is being converted');
    const finish = `pulse-migrate partition finish ${typedName(kept)} --i-know`;
    const message =
      kept.spec.split === undefined
        ? `${typedName(kept)} is converted, and the old table is kept for a rollback`
        : `${typedName(kept)} is split, and kept apart as it was`;
    return kept.mayFinish
      ? { outcome: 'warning', message: `${message}, longer than was said`, hint: finish }
      : fine(message);
  },
};
