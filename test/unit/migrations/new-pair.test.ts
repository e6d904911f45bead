import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { readFolder } from '../../../src/migrations/folder.ts';
import { planNewPair, writeNewPair } from '../../../src/migrations/new-pair.ts';
import { parseMigrationText } from '../../../src/migrations/parse-file.ts';
import { listVersions } from '../../../src/migrations/read-directory.ts';
import { test } from '../../support/temporary-directory.ts';

const now = new Date('2026-03-04T05:06:07.089Z');

describe('the next version continues the style of the folder', () => {
  test.each([
    ['an empty folder', [], '0001'],
    ['a padded counter', ['0001', '0009'], '0010'],
    ['a padded counter whose width is reached', ['001', '100'], '101'],
    ['an unpadded counter', ['1', '9'], '10'],
    ['an unpadded counter with gaps', ['3', '1'], '4'],
    ['stamps of seconds', ['20250101000000'], '20260304050607'],
    ['stamps of minutes', ['202501010000'], '202603040506'],
    ['stamps of milliseconds', ['20250101000000000'], '20260304050607089'],
    ['seconds since 1970', ['1700000000'], '1772600767'],
    ['milliseconds since 1970', ['1700000000000'], '1772600767089'],
    ['a counter that became a stamp', ['0001', '20250101000000'], '20260304050607'],
    ['a stamp of this very second', ['20260304050607'], '20260304050608'],
    ['a stamp ahead of the clock', ['20270101000000'], '20270101000001'],
    ['ten digits that are a padded counter', ['0000000001'], '0000000002'],
    ['20 digits', ['18446744073709551615'], '18446744073709551616'],
  ])('%s', (_title, versions, expected) => {
    expect(planNewPair({ versions }, 'x', now).version).toBe(expected);
  });

  test('a padded width that is used up is refused', () => {
    expect(() => planNewPair({ versions: ['001', '999'] }, 'x', now)).toThrow(
      expect.objectContaining({ code: 'folder-invalid', hint: expect.stringContaining('order: number') }),
    );
  });
});

describe('names', () => {
  test.each([
    ['Add User-Index', 'add_user_index'],
    ['  añadir Größe!  ', 'anadir_gro_e'],
    ['v2.1 prices', 'v2_1_prices'],
    ['x'.repeat(100), 'x'.repeat(100)],
  ])('%j is written as words of a-z, 0-9 and _', (typed, name) => {
    expect(planNewPair({ versions: [] }, typed, now).up.fileName).toBe(`0001_${name}.up.sql`);
  });

  test.each(['', ' ', '--', '表', '../x', 'a..b', 'a/b', 'a\\b', 'a\0b', 'x'.repeat(101)])(
    '%j is refused with what to type',
    (typed) => {
      expect(() => planNewPair({ versions: [] }, typed, now)).toThrow(
        expect.objectContaining({ code: 'usage', hint: expect.stringMatching(/words|shorter/) }),
      );
    },
  );
});

describe('writing', () => {
  test('both files are written into a folder made for them, and the next pair follows', async ({ directory }) => {
    const folder = { directory: join(directory, 'db', 'migrations'), shown: 'db/migrations' };
    expect(await listVersions(folder.directory, folder.shown)).toEqual([]);
    await writeNewPair(folder, planNewPair({ versions: [] }, 'first', now));
    expect(await readdir(folder.directory)).toEqual(['0001_first.down.sql', '0001_first.up.sql']);
    const versions = await listVersions(folder.directory, folder.shown);
    expect(planNewPair({ versions }, 'second', now).up.fileName).toBe('0002_second.up.sql');
  });

  test('an untouched pair is refused by its down file, with what to write there', async ({ directory }) => {
    await writeNewPair({ directory, shown: 'm' }, planNewPair({ versions: [] }, 'first', now));
    const reading = readFolder({ directory, shown: 'm', requireDown: true, allowEmpty: false, transaction: 'strict' });
    await expect(reading).rejects.toMatchObject({
      problems: [
        { location: { file: 'm/0001_first.down.sql' }, hint: expect.stringContaining('-- pulse: irreversible REASON') },
      ],
    });
  });

  test('the line that the down file offers is accepted when its quotes are taken off', () => {
    const { text } = planNewPair({ versions: [] }, 'x', now).down;
    const taken = text.replace(/^-- "(-- pulse: irreversible REASON)"$/m, '$1');
    expect(taken).not.toBe(text);
    const source = { path: 'x', direction: 'down', allowEmpty: false, transaction: 'strict' } as const;
    expect(parseMigrationText(taken, source)).toMatchObject({
      problems: [],
      file: { directives: { irreversible: 'REASON' } },
    });
  });

  test('an existing file is kept as it is, and nothing else is left behind', async ({ directory }) => {
    const pair = planNewPair({ versions: [] }, 'x', now);
    await writeFile(join(directory, pair.down.fileName), 'mine');
    await expect(writeNewPair({ directory, shown: 'm' }, pair)).rejects.toMatchObject({
      code: 'folder-invalid',
      message: 'm/0001_x.down.sql exists already',
      hint: 'run the command again for the next number',
    });
    expect(await readdir(directory)).toEqual([pair.down.fileName]);
    expect(await readFile(join(directory, pair.down.fileName), 'utf8')).toBe('mine');
  });

  test('a folder that cannot be made is refused by name', async ({ directory }) => {
    await writeFile(join(directory, 'file'), '');
    const folder = { directory: join(directory, 'file', 'm'), shown: 'file/m' };
    await expect(writeNewPair(folder, planNewPair({ versions: [] }, 'x', now))).rejects.toMatchObject({
      code: 'folder-invalid',
      message: expect.stringContaining('file/m cannot be written'),
    });
  });
});
