import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

// Scripts have no declarations, so the compiler does not follow them.
const { ansiToSvg } = (await import(join(import.meta.dirname, '../../../scripts/ansi-to-svg.mjs'))) as {
  readonly ansiToSvg: (text: string, options: { readonly title: string }) => string;
};
const esc = '\u001b';

test('colours, weight, columns and sharp characters of a terminal are kept, and blanks paid by position', () => {
  const svg = ansiToSvg(`ab ${esc}[1;32m<c> & "d"${esc}[22;39m\n${esc}[31m  x\ny${esc}[0mz\n`, {
    title: 'T & t',
  });
  expect(svg).toContain('<title id="title">T &amp; t</title>');
  expect(svg).toContain('<desc id="text">ab &lt;c&gt; &amp; &quot;d&quot;\n  x\nyz</desc>');
  expect(svg).toContain(
    '<text y="30"><tspan x="16.0" textLength="16.8">ab</tspan><tspan x="41.2" textLength="75.6" fill="#7ee787" font-weight="bold">&lt;c&gt; &amp; &quot;d&quot;</tspan></text>',
  );
  expect(svg).toContain('<text y="50"><tspan x="32.8" textLength="8.4" fill="#ff8080">x</tspan></text>');
  expect(svg).toContain(
    '<tspan x="16.0" textLength="8.4" fill="#ff8080">y</tspan><tspan x="24.4" textLength="8.4">z</tspan>',
  );
});

test('what is neither text nor a known colour is refused instead of drawn', () => {
  expect(() => ansiToSvg(`${esc}[2K`, { title: 't' })).toThrow('not a colour, but a movement of the cursor');
  expect(() => ansiToSvg(`${esc}[35m`, { title: 't' })).toThrow("no colour is known for the terminal's code 35");
});

test('the picture in the repository needs nothing from elsewhere and shows no path of a machine', async () => {
  const svg = await readFile(join(import.meta.dirname, '../../../docs/terminal.svg'), 'utf8');
  expect(svg).not.toMatch(/<(?:script|image|use|style|foreignObject)\b|href=|url\(/);
  expect(svg.match(/https?:\/\/[^"]+/g)).toEqual(['http://www.w3.org/2000/svg']);
  expect(svg).not.toMatch(/\/(?:tmp|home|root|work|var|Users)\//);
  expect(svg).toContain('postgres (anna@laptop)');
});
