/** So many stand in a message; of hundreds the first are enough to begin with. */
const most = 5;

/** One after the other, of many the first ones and how many more there are. `show` makes a text of those that are named. */
export function firstOf<One>(all: readonly One[], show: (one: One) => string = String): string {
  const rest = all.length - most;
  return `${all.slice(0, most).map(show).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
