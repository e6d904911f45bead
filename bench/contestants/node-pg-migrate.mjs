import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digits } from './file-names.mjs';

export const nodePgMigrate = {
  name: 'node-pg-migrate',
  pins: { 'node-pg-migrate': '9.0.0', pg: '8.23.1' },
  async write(directory, list) {
    const folder = join(directory, 'migrations');
    await mkdir(folder, { recursive: true });
    for (const { number, name, up, down } of list) {
      const text = `-- Up Migration\n${up}\n-- Down Migration\n${down}`;
      await writeFile(join(folder, `${digits(number)}_${name}.sql`), text);
    }
  },
  /** A transaction for each migration, as all the others have it; its own default is one for all. */
  command(verb, { installed, url }) {
    const program = join(installed, 'node_modules', 'node-pg-migrate', 'bin', 'node-pg-migrate.js');
    const args = { version: ['--version'], help: ['--help'], up: ['up', '--no-single-transaction'] }[verb];
    if (args === undefined) return null;
    return { file: process.execPath, args: [program, ...args], env: url === undefined ? {} : { DATABASE_URL: url } };
  },
};
