import { PulseError } from '../../../errors.ts';
import type { Range } from '../../bounds.ts';
import { type Calendar, type Instant, shifted, startOf } from '../../calendar.ts';
import type { TableName } from '../../catalog.ts';
import type { Extent } from '../leaves.ts';
import { mostLeaves } from '../leaves.ts';

/** A partition that is to be made; `named` is the instant that its name tells. */
export interface Piece extends Range {
  readonly named: Instant;
}

/**
 * The ranges that a partition is cut into, without a hole and with its own outer bounds: one a period from the first row
 * on. Periods before the first row go with the first piece; where the partition is open above, so does what lies behind
 * the last row with a piece of its own.
 * @throws {PulseError} `not-possible` where there is nothing to cut, or too much.
 */
export function piecesOf(
  calendar: Calendar,
  { schema, name, range }: TableName & { readonly range: Range },
  { first, last }: Extent,
): readonly Piece[] {
  if (first === null || last === null) {
    throw new PulseError('not-possible', `${schema}.${name} has no rows of which a partition could be made`, {
      hint: 'detach and drop it, and have its ranges made: pulse-migrate partition create-next',
    });
  }
  const start = startOf(calendar, first);
  const end = range.to ?? shifted(calendar, startOf(calendar, last), 2);
  const cuts: Instant[] = [];
  for (let at = shifted(calendar, start, 1); at < end; at = shifted(calendar, at, 1)) {
    if (range.from === null || at > range.from) cuts.push(at);
    if (cuts.length >= mostLeaves) {
      throw new PulseError(
        'not-possible',
        `${schema}.${name} would be cut into more than ${mostLeaves} partitions, one a ${calendar.period}`,
        { hint: 'take a longer --period' },
      );
    }
  }
  if (cuts.length === 0) {
    throw new PulseError('not-possible', `all of ${schema}.${name} is in one ${calendar.period}`, {
      hint: 'take a shorter --period, or leave it as it is',
    });
  }
  return [start, ...cuts].map((named, at) => ({
    named,
    from: at === 0 ? range.from : named,
    to: cuts[at] ?? range.to,
  }));
}
