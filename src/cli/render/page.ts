import type { Sheet } from './sheet.ts';

/** Text as it may stand in HTML, attributes included. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const look = `:root{color-scheme:light dark;--ink:#1b1f24;--faint:#5b6570;--line:#d5dae0;--paper:#fff;--bar:#3b6fb6}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ed;--faint:#9aa4af;--line:#3a424c;--paper:#15181c;--bar:#6ea0e6}}
body{font:16px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:78rem;margin:0 auto;padding:1rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums;width:100%}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}th{color:var(--faint);font-weight:600}
th,td{text-align:left;padding:.25rem .7rem .25rem 0;border-bottom:1px solid var(--line);white-space:nowrap}
.right{text-align:right}.bar{width:7rem;height:.7rem}.bar rect,.plot .dot{fill:var(--bar)}.plot{width:100%;max-width:40rem;height:auto}
.plot .line{stroke:var(--bar);stroke-width:2;fill:none}.plot .joined{stroke:var(--faint);fill:none}.plot text{fill:var(--faint);font-size:12px}
.plot .axis{stroke:var(--line)}.plot .spread{fill:var(--bar);opacity:.15}
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
