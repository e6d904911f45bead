/** What of a unique key is kept where the table's partition key is not part of it: the operator chooses. */
export const uniqueChoices = ['widen', 'per-leaf', 'registry'] as const;
export type UniqueChoice = (typeof uniqueChoices)[number];

/**
 * The definition of a unique key with a column behind its others: `USING btree (a, lower(b)) WHERE c` becomes
 * `USING btree (a, lower(b), "t") WHERE c`. The list is the first pair of parentheses outside of quotes.
 * @param column quoted already.
 */
export function withColumn(definition: string, column: string): string {
  let depth = 0;
  let quote: string | null = null;
  for (let at = 0; at < definition.length; at += 1) {
    const character = definition[at] ?? '';
    // A doubled quote closes and opens again, which comes to the same.
    if (quote !== null) quote = character === quote ? null : quote;
    else if (character === "'" || character === '"') quote = character;
    else if (character === '(') depth += 1;
    else if (character === ')') {
      depth -= 1;
      if (depth === 0) return `${definition.slice(0, at)}, ${column}${definition.slice(at)}`;
    }
  }
  throw new RangeError(`no list of columns in: ${definition}`);
}
