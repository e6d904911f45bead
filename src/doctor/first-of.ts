/** So many stand in a message; of hundreds the first are enough to begin with. */
const most = 5;

/** Texts one after the other, of many the first ones and how many more there are. */
export function firstOf(texts: readonly string[]): string {
  const rest = texts.length - most;
  return `${texts.slice(0, most).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
