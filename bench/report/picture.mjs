const [width, padding, nameWidth, valueWidth, lineHeight, titleHeight] = [760, 20, 150, 80, 22, 38];
const barWidth = width - 2 * padding - nameWidth - valueWidth;

function escaped(text) {
  return text.replace(/[&<>"]/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[character]);
}

/** Bars of one thing, the shortest on top; each thing has a scale of its own. */
function groupToSvg(rows, top) {
  const longest = Math.max(...rows.map(({ ratio }) => ratio));
  const title = `${rows[0].picture}: times ${rows[0].against}, less is better`;
  const bars = rows.map(({ contestant, ratio }, index) => {
    const y = top + titleHeight + index * lineHeight;
    const length = Math.max(2, (ratio / longest) * barWidth).toFixed(1);
    const own = contestant === 'pulse-migrate';
    const x = padding + nameWidth;
    return `<text x="${padding}" y="${y}"${own ? ' font-weight="bold"' : ''}>${escaped(contestant)}</text>
<rect x="${x}" y="${y - 12}" width="${length}" height="15" rx="2" fill="${own ? '#79c0ff' : '#6e7681'}"/>
<text x="${(x + Number(length) + 8).toFixed(1)}" y="${y}">${ratio.toFixed(2)}</text>`;
  });
  return `<text x="${padding}" y="${top + 14}" fill="#9da7b3">${escaped(title)}</text>\n${bars.join('\n')}`;
}

/** The main ratios as an SVG of bars that needs nothing from elsewhere; all figures are in its description too. */
export function pictureOf(rows) {
  const groups = new Map();
  for (const row of rows.filter(({ picture }) => picture !== undefined)) {
    groups.set(
      row.picture,
      [...(groups.get(row.picture) ?? []), row].sort((a, b) => a.ratio - b.ratio),
    );
  }
  let height = padding;
  const drawn = [...groups.values()].map((group) => {
    const top = height;
    height += titleHeight + group.length * lineHeight + 4;
    return groupToSvg(group, top);
  });
  const said = [...groups.values()].flat().map((row) => `${row.picture}, ${row.contestant}: ${row.ratio.toFixed(2)}`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title text">
<title id="title">pulse-migrate beside its peers</title>
<desc id="text">${escaped(said.join('\n'))}</desc>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g font-family="ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="13" fill="#e6edf3">
${drawn.join('\n')}
</g>
</svg>
`;
}
