import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { configurationKeys } from '../../../src/config/schema.ts';
import { exitCodes } from '../../../src/exit-codes.ts';

const root = join(import.meta.dirname, '../../..');
// Scripts have no declarations, so the compiler does not follow them.
const { withTables } = (await import(join(root, 'scripts/readme-tables.mjs'))) as {
  readonly withTables: (
    readme: string,
    tables: { readonly configurationKeys: unknown; readonly exitCodes: unknown },
  ) => string;
};
const read = (name: string) => readFile(join(root, name), 'utf8');

describe('README.md', () => {
  test('has the tables of configuration and exit codes as the code has them; npm run docs writes them', async () => {
    const readme = await read('README.md');
    expect(readme).toBe(withTables(readme, { configurationKeys, exitCodes }));
    for (const { name } of configurationKeys) expect(readme).toContain(`| \`${name}\` |`);
    for (const [code, meaning] of exitCodes) expect(readme).toContain(`| ${code} | ${meaning} |`);
  });

  test('links to files that are there', async () => {
    const targets = [...(await read('README.md')).matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(
      ([, target]) => target ?? '',
    );
    expect(targets).toContain('docs/terminal.svg');
    for (const target of targets) expect((await read(target)).length).toBeGreaterThan(0);
  });

  test('cannot be given a table whose place is missing', () => {
    expect(() => withTables('# nothing', { configurationKeys, exitCodes })).toThrow(
      'README.md has no place for configuration',
    );
  });
});

describe('CHANGELOG.md', () => {
  test('has a heading for what is to come and one for the version of the package', async () => {
    const { version } = JSON.parse(await read('package.json')) as { readonly version: string };
    const headings = [...(await read('CHANGELOG.md')).matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    expect(headings[0]).toBe('[Unreleased]');
    expect(headings[1]).toMatch(new RegExp(`^\\[${version.replaceAll('.', '\\.')}\\] - \\d{4}-\\d{2}-\\d{2}$`));
  });
});
