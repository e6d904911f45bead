import type { Sheet } from './sheet.ts';

/** Text as it may stand in HTML, attributes included. */
function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const look = `:root{color-scheme:light dark;--ink:#1b1f24;--faint:#5b6570;--line:#d5dae0;--paper:#fff;--bar:#3b6fb6}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ed;--faint:#9aa4af;--line:#3a424c;--paper:#15181c;--bar:#6ea0e6}}
body{font:16px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:78rem;margin:0 auto;padding:1rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums;width:100%}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}th{color:var(--faint);font-weight:600}
th,td{text-align:left;padding:.25rem .7rem .25rem 0;border-bottom:1px solid var(--line);white-space:nowrap}
.right{text-align:right}.bar{width:7rem;height:.7rem}.bar rect,.plot .dot{fill:var(--bar)}.plot{width:100%;max-width:40rem;height:auto}
.plot .line{stroke:var(--bar);stroke-width:2;fill:none}.plot text{fill:var(--faint);font-size:12px}.plot .axis{stroke:var(--line)}
p.note{border-left:4px solid var(--bar);padding-left:.7rem}footer{color:var(--faint);margin-top:2rem}
@media print{:root{--ink:#000;--faint:#444;--line:#999;--paper:#fff;--bar:#333}section{break-inside:avoid}.scroll{overflow:visible}}`;

/** One self-contained page: nothing is loaded from anywhere. */
export function page(title: string, about: string, sheets: readonly Sheet[]): string {
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escaped(title)}</title><style>${look}</style></head>
<body><header><h1>${escaped(title)}</h1><p>${escaped(about)}</p></header>
<main>${sheets.map(section).join('\n')}</main>
<footer>Written by pulse-migrate.</footer></body></html>
`;
}

function section({ title, columns, rows, notes, bars, picture }: Sheet): string {
  const css = (index: number) => (columns[index]?.right === true ? ' class="right"' : '');
  // Bars stand beside the names: on a narrow screen what is further to the right has to be pushed into sight.
  const besideFirst = (cells: readonly string[], bar: string) =>
    (bars === undefined ? cells : cells.toSpliced(1, 0, bar)).join('');
  const titles = columns.map((column, index) => `<th scope="col"${css(index)}>${escaped(column.title)}</th>`);
  const head = besideFirst(titles, '<th scope="col">of the largest</th>');
  const body = [...rows].map((row, index) => {
    const cells = row.map((text, place) => `<td${css(place)}>${escaped(text)}</td>`);
    return `<tr>${besideFirst(cells, `<td>${barOf(bars?.[index] ?? 0)}</td>`)}</tr>`;
  });
  const whole =
    body.length === 0
      ? ''
      : `<div class="scroll"><table><caption>${escaped(title)}</caption><thead><tr>${head}</tr></thead>
<tbody>${body.join('\n')}</tbody></table></div>`;
  return `<section><h2>${escaped(title)}</h2>${notes.map((note) => `<p class="note">${escaped(note)}</p>`).join('')}${picture ?? ''}${whole}</section>`;
}

function barOf(share: number): string {
  const percent = Math.round(share * 1000) / 10;
  return `<svg class="bar" role="img" viewBox="0 0 100 8" preserveAspectRatio="none"><title>${percent} per cent of the largest</title><rect width="${percent}" height="8"/></svg>`;
}

/** Points over time, and the line through them, as an SVG element. Values are written by `shown`. */
export function plot(
  title: string,
  points: ReadonlyArray<{ readonly at: number; readonly value: number }>,
  line: { readonly end: { readonly at: number; readonly value: number }; readonly perDay: number } | null,
  shown: (value: number) => string,
): string {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || first === last) return '';
  const [width, height, left, bottom] = [640, 220, 80, 24];
  const top = Math.max(...points.map(({ value }) => value), 1);
  const x = (at: number) => left + ((at - first.at) / Math.max(1, last.at - first.at)) * (width - left - 10);
  const y = (value: number) => height - bottom - (Math.max(0, value) / top) * (height - bottom - 14);
  const number = (value: number) => value.toFixed(1);
  const dots = points.map(
    ({ at, value }) => `<circle class="dot" cx="${number(x(at))}" cy="${number(y(value))}" r="3"/>`,
  );
  const fitted = (at: number) => (line === null ? 0 : line.end.value + ((at - line.end.at) / 86_400_000) * line.perDay);
  const through =
    line === null
      ? ''
      : `<path class="line" d="M${number(x(first.at))} ${number(y(fitted(first.at)))}L${number(x(last.at))} ${number(y(fitted(last.at)))}"/>`;
  const day = (at: number) => new Date(at).toISOString().slice(0, 10);
  return `<svg class="plot" role="img" viewBox="0 0 ${width} ${height}"><title>${escaped(title)}: ${escaped(shown(first.value))} on ${day(first.at)}, ${escaped(shown(last.value))} on ${day(last.at)}</title>
<path class="axis" d="M${left} 8V${height - bottom}H${width}" fill="none"/>${through}${dots.join('')}
<text x="${left - 8}" y="18" text-anchor="end">${escaped(shown(top))}</text><text x="${left - 8}" y="${height - bottom}" text-anchor="end">0</text>
<text x="${left}" y="${height - 6}">${day(first.at)}</text><text x="${width - 2}" y="${height - 6}" text-anchor="end">${day(last.at)}</text></svg>`;
}
