import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digits } from './file-names.mjs';

export const graphileMigrate = {
  name: 'graphile-migrate',
  pins: { 'graphile-migrate': '1.4.1' },
  /** Committed migrations; each names the hash of the one before it. */
  async write(directory, list) {
    const folder = join(directory, 'migrations', 'committed');
    await mkdir(folder, { recursive: true });
    await writeFile(join(directory, 'migrations', 'current.sql'), '');
    await writeFile(join(directory, '.gmrc'), '{}\n');
    let previous = null;
    for (const { number, name, up } of list) {
      const body = `${up.trim()}\n`;
      const hash = `sha1:${createHash('sha1')
        .update(`${previous ?? ''}\n${body}`.trim())
        .update('\n')
        .digest('hex')}`;
      const header = `--! Previous: ${previous ?? '-'}\n--! Hash: ${hash}\n\n`;
      await writeFile(join(folder, `${digits(number, 6)}-${name.replaceAll('_', '-')}.sql`), header + body);
      previous = hash;
    }
  },
  command(verb, { installed, url }) {
    const program = join(installed, 'node_modules', 'graphile-migrate', 'dist', 'cli.js');
    const args = { version: ['--version'], help: ['--help'], up: ['migrate'], status: ['status'] }[verb];
    const env = url === undefined ? {} : { DATABASE_URL: url, SHADOW_DATABASE_URL: `${url}&application_name=shadow` };
    return { file: process.execPath, args: [program, ...args], env };
  },
};
