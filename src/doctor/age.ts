/** So long, in the largest unit that is not a fraction: `3 minutes`, `2 days`. */
export function age(seconds: number): string {
  const units: ReadonlyArray<readonly [seconds: number, name: string]> = [
    [86_400, 'day'],
    [3600, 'hour'],
    [60, 'minute'],
    [1, 'second'],
  ];
  const [unit, name] = units.find(([least]) => seconds >= least) ?? [1, 'second'];
  const number = Math.floor(seconds / unit);
  return `${number} ${name}${number === 1 ? '' : 's'}`;
}
