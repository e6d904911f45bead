import { nice, ticks } from 'd3-array';
import { area, line } from 'd3-shape';
import { utcTicks } from 'd3-time';
import type { Line, Point } from '../../reports/fit-line.ts';
import { escaped } from './page.ts';

const [width, height, left, right, top, bottom] = [640, 220, 84, 12, 12, 26];
const dayMs = 86_400_000;

/** Where a point stands in the picture. */
interface Frame {
  readonly x: (at: number) => number;
  readonly y: (bytes: number) => number;
}

/**
 * Bytes over time, the line through them and, lighter, where it may lie by what is not known of its slope; as an SVG
 * element. Empty for less than two points.
 */
export function plotBytes(
  title: string,
  points: readonly Point[],
  fitted: Line | null,
  shown: (bytes: number) => string,
): string {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || first === last) return '';
  const most = Math.max(...points.map(({ value }) => value), 1);
  // Round numbers of the unit in which they are written.
  const unit = 1024 ** Math.floor(Math.log(most) / Math.log(1024));
  const [, end] = nice(0, most / unit, 4);
  const share = (value: number, all: number) => Math.min(1, Math.max(0, value / all));
  const frame: Frame = {
    x: (at) => left + share(at - first.at, last.at - first.at) * (width - right - left),
    y: (value) => height - bottom - share(value / unit, end) * (height - bottom - top),
  };
  const sizeMarks = ticks(0, end, 4).map((tick) => {
    const at = frame.y(tick * unit).toFixed(1);
    const text = `<text x="${left - 8}" y="${at}" dy=".32em" text-anchor="end">${escaped(shown(tick * unit))}</text>`;
    return `<path class="axis" d="M${left} ${at}H${width - right}"/>${text}`;
  });
  // Of a few days the hours, in the same form.
  const [from, to] = last.at - first.at > 3 * dayMs ? [0, 10] : [5, 16];
  const timeMarks = utcTicks(new Date(first.at), new Date(last.at), 5).map((tick) => {
    const at = frame.x(tick.getTime());
    const anchor = at > width - right - 35 ? 'end' : 'middle';
    const text = tick.toISOString().replace('T', ' ').slice(from, to);
    return `<text x="${at.toFixed(1)}" y="${height - 8}" text-anchor="${anchor}">${text}</text>`;
  });
  const said = ({ at, value }: Point) => `${escaped(shown(value))} on ${new Date(at).toISOString().slice(0, 10)}`;
  return `<svg class="plot" role="img" viewBox="0 0 ${width} ${height}"><title>${escaped(title)}: ${said(first)}, ${said(last)}</title>
${sizeMarks.join('')}${timeMarks.join('')}${fitted === null ? '' : throughThem(fitted, first.at, last.at, frame)}${themselves(points, frame)}</svg>`;
}

function themselves(points: readonly Point[], { x, y }: Frame): string {
  const joined = line<Point>(
    ({ at }) => x(at),
    ({ value }) => y(value),
  ).digits(1)(points);
  const dot = ({ at, value }: Point) =>
    `<circle class="dot" cx="${x(at).toFixed(1)}" cy="${y(value).toFixed(1)}" r="2.5"/>`;
  return `<path class="joined" d="${joined}"/>${points.map(dot).join('')}`;
}

function throughThem({ end, perDay, perDayError }: Line, from: number, to: number, { x, y }: Frame): string {
  const middle = (from + to) / 2;
  const on = (at: number) => end.value + ((at - end.at) / dayMs) * perDay;
  // Turned about its middle by as much as its slope may be off.
  const off = (at: number) => (Math.abs(at - middle) / dayMs) * (perDayError ?? 0);
  const spread = area<number>(
    x,
    (at) => y(on(at) - off(at)),
    (at) => y(on(at) + off(at)),
  ).digits(1)([from, middle, to]);
  const through = line<number>(x, (at) => y(on(at))).digits(1)([from, to]);
  return `<path class="spread" d="${spread}"/><path class="line" d="${through}"/>`;
}
