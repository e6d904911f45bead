/** Colours of the terminal, by SGR code; all have a contrast of at least 4.5 on the background. */
const colours = { 31: '#ff8080', 32: '#7ee787', 33: '#f2cc60', 36: '#79c0ff', 90: '#9da7b3' };
const [background, foreground] = ['#0d1117', '#e6edf3'];
const [fontSize, lineHeight, padding] = [14, 20, 16];
/** Widths of monospace fonts differ a little; text is drawn to this one, so that columns stay columns. */
const characterWidth = 8.4;
const plain = { colour: foreground, bold: false };

function escaped(text) {
  return text.replace(/[&<>"]/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[character]);
}

/** How text looks after one SGR code. */
function lookAfter(look, code) {
  if (code === 0) return plain;
  if (code === 1 || code === 22) return { ...look, bold: code === 1 };
  if (code === 39) return { ...look, colour: foreground };
  if (code in colours) return { ...look, colour: colours[code] };
  throw new Error(`no colour is known for the terminal's code ${code}`);
}

/** Cuts text into lines of runs that look the same. Colours may go over line ends. */
function runsOf(text) {
  let look = plain;
  return text.split('\n').map((line) => {
    const runs = [];
    line.split(/\u001b\[([\d;]*)m/).forEach((part, index) => {
      if (index % 2 === 1) look = part.split(';').map(Number).reduce(lookAfter, look);
      else if (part.includes('\u001b')) throw new Error(`not a colour, but a movement of the cursor: ${part}`);
      else if (part !== '') runs.push({ ...look, text: part });
    });
    return runs;
  });
}

function lineToSvg(runs, index) {
  let column = 0;
  const spans = runs.map(({ text, colour, bold }) => {
    // Blanks at the ends are left out and paid by position, since viewers differ in what they make of them.
    const shown = text.trim();
    const x = padding + (column + text.length - text.trimStart().length) * characterWidth;
    column += [...text].length;
    if (shown === '') return '';
    const size = `x="${x.toFixed(1)}" textLength="${([...shown].length * characterWidth).toFixed(1)}"`;
    const look = `${colour === foreground ? '' : ` fill="${colour}"`}${bold ? ' font-weight="bold"' : ''}`;
    return `<tspan ${size}${look}>${escaped(shown)}</tspan>`;
  });
  const y = padding + (index + 1) * lineHeight - (lineHeight - fontSize);
  return spans.join('') === '' ? '' : `<text y="${y}">${spans.join('')}</text>\n`;
}

/**
 * Draws what a terminal shows as an SVG that needs nothing from elsewhere; the text stays text, and readers of the
 * screen get all of it as description.
 */
export function ansiToSvg(text, { title }) {
  const lines = runsOf(text.replace(/\n+$/, ''));
  const shown = lines.map((runs) => runs.map((run) => run.text).join(''));
  const columns = Math.max(...shown.map((line) => [...line].length));
  const width = Math.ceil(columns * characterWidth + 2 * padding);
  const height = lines.length * lineHeight + 2 * padding;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title text">
<title id="title">${escaped(title)}</title>
<desc id="text">${escaped(shown.join('\n'))}</desc>
<rect width="100%" height="100%" rx="8" fill="${background}"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${fontSize}" fill="${foreground}" xml:space="preserve">
${lines.map(lineToSvg).join('')}</g>
</svg>
`;
}
