import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base } from 'vitest';

/** `test` with a directory of its own that is gone afterwards: `test('…', async ({ directory }) => …)`. */
export const test = base
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names a fixture needs from this pattern
  .extend('directory', async ({}, { onCleanup }) => {
    const directory = await mkdtemp(join(tmpdir(), 'pulse-migrate-unit-'));
    onCleanup(() => rm(directory, { recursive: true, force: true }));
    return directory;
  });
