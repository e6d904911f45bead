import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digits } from './file-names.mjs';

export const postgrator = {
  name: 'postgrator',
  pins: { 'postgrator-cli': '9.1.1', postgrator: '8.0.0', pg: '8.23.1' },
  async write(directory, list) {
    const folder = join(directory, 'migrations');
    await mkdir(folder, { recursive: true });
    for (const { number, name, up, down } of list) {
      await writeFile(join(folder, `${digits(number)}.do.${name}.sql`), up);
      await writeFile(join(folder, `${digits(number)}.undo.${name}.sql`), down);
    }
  },
  /** It has no command that only tells the state, and uses no transaction. */
  command(verb, { installed, url }) {
    const program = join(installed, 'node_modules', 'postgrator-cli', 'index.js');
    const args = { version: ['--version'], help: ['--help'], up: ['migrate'] }[verb];
    if (args === undefined) return null;
    if (url === undefined) return { file: process.execPath, args: [program, ...args] };
    const { hostname, port, username, password, pathname } = new URL(url);
    const place = [
      '--host',
      hostname,
      '--port',
      port || '5432',
      '--database',
      pathname.slice(1),
      '--username',
      username,
    ];
    const secret = password === '' ? [] : ['--password', decodeURIComponent(password)];
    return { file: process.execPath, args: [program, ...args, '--no-config', ...place, ...secret] };
  },
};
