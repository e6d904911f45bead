/** Forms of ALTER TABLE that matter beyond their lock, found in the tokens of `statementTokens`. */

/** Whether the token at `at` is the TYPE of `ALTER [COLUMN] x [SET DATA] TYPE`: a column may be named `type` too. */
export function changesColumnType(tokens: readonly string[], at: number): boolean {
  if (tokens[at] !== 'TYPE') return false;
  return tokens[at - 1] === 'DATA' || ['ALTER', 'COLUMN'].includes(tokens[at - 2] ?? '');
}

/** Whether the token at `at` is the DROP of a column, where the word COLUMN is optional, and not of a property. */
export function dropsColumn(tokens: readonly string[], at: number): boolean {
  if (tokens[at] !== 'DROP') return false;
  const what = tokens[at + 1] ?? '';
  if (['CONSTRAINT', 'DEFAULT', 'NOT'].includes(what)) return false;
  // IDENTITY and EXPRESSION are names too: they mean the property only behind ALTER [COLUMN] x.
  const ofColumn = ['ALTER', 'COLUMN'].includes(tokens[at - 2] ?? '');
  return !(ofColumn && ['IDENTITY', 'EXPRESSION'].includes(what));
}
