import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { makeDirectories } from '../../src/make-directories.ts';
import { test } from '../support/temporary-directory.ts';

test('a directory below others that are missing is made, and a second time nothing happens', async ({ directory }) => {
  const path = join(directory, 'a', 'b', 'c');
  await makeDirectories(path, 0o700);
  await makeDirectories(path, 0o700);
  expect((await stat(path)).isDirectory()).toBe(true);
  expect((await stat(path)).mode & 0o777).toBe(0o700);
});

test('a file in the way is told as such', async ({ directory }) => {
  await writeFile(join(directory, 'a'), '');
  await expect(makeDirectories(join(directory, 'a'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeDirectories(join(directory, 'a', 'b'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});

test.skipIf(process.platform !== 'linux')(
  'a place where nothing can be made is an error, not an endless loop',
  async () => {
    await expect(makeDirectories('/proc/none/of/these')).rejects.toMatchObject({ code: 'ENOENT' });
  },
);
