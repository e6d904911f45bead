import type { KeyType } from '../bounds.ts';
import type { ColumnFact } from '../convert/source-facts.ts';

/** The column that partitions would go by, and who says so. */
export interface KeyChoice {
  readonly column: string | null;
  readonly from: 'asked' | 'configured' | 'only candidate' | 'open';
  /** Columns that could be it: a date or a time that is never NULL. */
  readonly candidates: readonly string[];
}

/** As `format_type` writes them. */
const types: ReadonlyMap<string, KeyType> = new Map([
  ['date', 'date'],
  ['timestamp without time zone', 'timestamp'],
  ['timestamp with time zone', 'timestamptz'],
]);

export function keyTypeOf({ type }: Pick<ColumnFact, 'type'>): KeyType | null {
  return types.get(type) ?? null;
}

/** What was asked for, else what is configured, else the only column that can be it: among several none is chosen. */
export function keyOf(columns: readonly ColumnFact[], asked: string | null, configured: string | null): KeyChoice {
  const candidates = columns
    .filter((column) => keyTypeOf(column) !== null && column.notNull && !column.generated)
    .map(({ name }) => name);
  if (asked !== null) return { column: asked, from: 'asked', candidates };
  if (configured !== null) return { column: configured, from: 'configured', candidates };
  const [only, ...others] = candidates;
  return only !== undefined && others.length === 0
    ? { column: only, from: 'only candidate', candidates }
    : { column: null, from: 'open', candidates };
}
