/** A value at a time, milliseconds since 1970. */
export interface Point {
  readonly at: number;
  readonly value: number;
}

/** A straight line through points, with what is not known of its slope. */
export interface Line {
  /** The value where the last point lies. */
  readonly end: Point;
  readonly perDay: number;
  /** Half of the interval in which the slope lies with 95 %; null where two points leave nothing to tell it by. */
  readonly perDayError: number | null;
}

const dayMs = 86_400_000;

/** The least squares line; null where there are fewer than two times. Values may be a hundred times 2^53 without harm. */
export function fitLine(points: readonly Point[]): Line | null {
  const last = points.reduce<Point | null>((end, point) => (end === null || point.at > end.at ? point : end), null);
  if (last === null || new Set(points.map(({ at }) => at)).size < 2) return null;
  const days = points.map(({ at }) => (at - last.at) / dayMs);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanDay, meanValue] = [mean(days), mean(points.map(({ value }) => value))];
  const spread = days.reduce((sum, day) => sum + (day - meanDay) ** 2, 0);
  const perDay =
    points.reduce((sum, { value }, i) => sum + ((days[i] ?? 0) - meanDay) * (value - meanValue), 0) / spread;
  const at = (day: number) => meanValue + perDay * (day - meanDay);
  const rest = points.reduce((sum, { value }, index) => sum + (value - at(days[index] ?? 0)) ** 2, 0);
  const freedom = points.length - 2;
  const perDayError = freedom < 1 ? null : studentT95(freedom) * Math.sqrt(rest / freedom / spread);
  return { end: { at: last.at, value: at(0) }, perDay, perDayError };
}

/** Two-sided 95 % quantile of Student's t: from the usual table; between its lines the larger one, so no interval is too narrow. */
function studentT95(freedom: number): number {
  const table: ReadonlyArray<readonly [from: number, t: number]> = [
    ...[12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228].map((t, i) => [i + 1, t] as const),
    ...([
      [15, 2.131],
      [20, 2.086],
      [30, 2.042],
      [60, 2.0],
      [120, 1.98],
    ] as const),
  ];
  return table.findLast(([from]) => from <= freedom)?.[1] ?? 12.706;
}

/** When a line reaches a value; times in milliseconds since 1970, null: not within a hundred years. */
export interface Crossing {
  readonly at: number | null;
  /** By the steepest and by the flattest line of the interval. */
  readonly earliest: number | null;
  readonly latest: number | null;
}

const longestDays = 36_525;

/** When a growing line reaches `value`. */
export function crossingOf({ end, perDay, perDayError }: Line, value: number): Crossing {
  const reached = (slope: number) => {
    const days = (value - end.value) / slope;
    return slope > 0 && days <= longestDays ? end.at + Math.max(0, days) * dayMs : null;
  };
  const error = perDayError ?? 0;
  return { at: reached(perDay), earliest: reached(perDay + error), latest: reached(perDay - error) };
}
