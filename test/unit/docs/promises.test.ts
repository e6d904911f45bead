import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const readme = await readFile(join(root, 'README.md'), 'utf8');
const section = /^## What it promises\n(.*?)^## /ms.exec(readme)?.[1] ?? '';
const rows = [...section.matchAll(/^\| (?!promise |---)(.+?) \| (.+) \|$/gm)].map(
  ([, promise = '', links = '']) => [promise, links] as const,
);

describe('What it promises', () => {
  test('lists its promises in one table', () => {
    expect(rows.length).toBeGreaterThan(20);
    expect(section.split('\n').filter((line) => line.startsWith('|'))).toHaveLength(rows.length + 2);
  });

  test.each(rows)('%s is held by tests whose titles are quoted as they are', async (_promise, links) => {
    const quotes = [...links.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)];
    expect(quotes.map(([whole]) => whole).join(', ')).toBe(links);
    for (const [, title = '', file = ''] of quotes) {
      expect(file).toMatch(/^test\/.+\.test\.ts$/);
      const text = await readFile(join(root, file), 'utf8');
      // In a line that gives a test its title, and not in a comment.
      const titles = text.split('\n').filter((line) => /['"`]/.test(line) && !/^\s*(\*|\/\/)/.test(line));
      expect([file, title, titles.some((line) => line.includes(title))]).toEqual([file, title, true]);
    }
  });
});
