import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { npmEnvironment } from '../npm.mjs';
import { digits } from './file-names.mjs';

const run = promisify(execFile);

/**
 * The program under test, as its users have it: built, packed, and installed into a folder of its own. So nothing that
 * happens to the checkout meanwhile has a say.
 */
export async function installPulse({ root, workDirectory, build }) {
  if (build) await run(process.execPath, [join(root, 'scripts', 'build.mjs')], { cwd: root });
  const place = { cwd: root, env: npmEnvironment() };
  const { stdout } = await run(
    'npm',
    ['pack', '--ignore-scripts', '--json', '--pack-destination', workDirectory],
    place,
  );
  const [{ filename, version }] = JSON.parse(stdout);
  const installed = join(workDirectory, 'pulse-migrate');
  await mkdir(installed);
  await writeFile(join(installed, 'package.json'), '{"private": true}\n');
  const flags = ['--omit=dev', '--omit=optional', '--ignore-scripts', '--offline', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...flags, join(workDirectory, filename)], { ...place, cwd: installed });
  return pulse({ version, installed });
}

function pulse({ version, installed }) {
  const program = join(installed, 'node_modules', 'pulse-migrate', 'bin', 'pulse-migrate.js');
  const verbs = {
    version: ['--version'],
    help: ['--help'],
    up: ['up', '--yes', '--quiet'],
    status: ['status', '--quiet'],
    'report record': ['report', 'sizes', '--record', '--quiet'],
    'report sizes': ['report', 'sizes'],
    'report growth': ['report', 'growth'],
    'report indexes': ['report', 'indexes'],
    'report locks': ['report', 'locks'],
    'report all': ['report', 'all', '--html', '-'],
    doctor: ['doctor', '--skip-check', 'backup'],
  };
  return {
    name: 'pulse-migrate',
    version,
    installed,
    async write(directory, list) {
      const folder = join(directory, 'migrations');
      await mkdir(folder, { recursive: true });
      for (const { number, name, up, down } of list) {
        await writeFile(join(folder, `${digits(number)}_${name}.up.sql`), up);
        await writeFile(join(folder, `${digits(number)}_${name}.down.sql`), down);
      }
    },
    command: (verb, { url } = {}) => ({
      file: process.execPath,
      args: [program, ...verbs[verb]],
      env: url === undefined ? {} : { DATABASE_URL: url },
    }),
  };
}
