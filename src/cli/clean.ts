/** Keys of documents and events whose values come from a closed set, which a password may happen to be a word of. */
const closedSets: ReadonlySet<string> = new Set([
  'action',
  'code',
  'command',
  'direction',
  'formatVersion',
  'found',
  'id',
  'ok',
  'outcome',
  'phase',
  'sqlstate',
  'state',
  'type',
  'version',
]);

/**
 * The same plain data with every text in it cleaned, at any depth: never keys, numbers, booleans or words of a closed
 * set, so that what is read by a program keeps its form whatever the password is.
 */
export function cleanTexts<Value>(value: Value, clean: (text: string) => string): Value {
  return cleaned(value, clean) as Value;
}

function cleaned(value: unknown, clean: (text: string) => string): unknown {
  if (typeof value === 'string') return clean(value);
  if (Array.isArray(value)) return value.map((item: unknown) => cleaned(item, clean));
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]: [string, unknown]) => [
      key,
      typeof inner === 'string' && closedSets.has(key) ? inner : cleaned(inner, clean),
    ]),
  );
}
