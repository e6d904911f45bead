import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Surroundings } from '../../../src/config/settings.ts';

/** A folder of one test with these files in it, as the place the command is started from; its home is `home` below. */
export async function surroundings(
  files: Readonly<Record<string, string>> = {},
  env: Surroundings['env'] = {},
): Promise<Surroundings> {
  const cwd = mkdtempSync(join(tmpdir(), 'pulse-migrate-config-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(cwd, name)), { recursive: true });
    writeFileSync(join(cwd, name), text, { mode: 0o600 });
  }
  return { cwd, env: { PGSYSCONFDIR: cwd, ...env }, homeDirectory: join(cwd, 'home'), userName: 'anna' };
}
