import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digits } from './file-names.mjs';

export const dbmate = {
  name: 'dbmate',
  pins: { dbmate: '2.36.0' },
  async write(directory, list) {
    const folder = join(directory, 'db');
    await mkdir(folder, { recursive: true });
    for (const { number, name, up, down } of list) {
      const text = `-- migrate:up\n${up}\n-- migrate:down\n${down}`;
      await writeFile(join(folder, `${digits(number)}_${name}.sql`), text);
    }
  },
  /** The program itself: the script npm puts before it would add a start of Node. */
  command(verb, { installed, url }) {
    const file = join(installed, 'node_modules', '@dbmate', `${process.platform}-${process.arch}`, 'bin', 'dbmate');
    const args = { version: ['--version'], help: ['--help'], up: ['migrate'], status: ['status'] }[verb];
    const places = url === undefined ? [] : ['--migrations-dir', 'db', '--no-dump-schema'];
    return { file, args: [...places, ...args], env: url === undefined ? {} : { DATABASE_URL: url } };
  },
};
