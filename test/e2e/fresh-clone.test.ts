import { cp, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { test as base, describe, expect } from 'vitest';
import { copyCheckout, environmentForNpm, openDirectory, root, runToEnd, runWell } from '../support/checkout.ts';
import type { CliRun } from '../support/cli.ts';

/** A clone with its packages installed, scripts refused, and nothing built. */
interface Clone {
  readonly directory: string;
  /** Runs `npx pulse-migrate …` in it, with a home of its own and no registry to be reached. */
  npx(...argv: readonly string[]): Promise<CliRun>;
}

async function cloneAndInstall(): Promise<Clone> {
  const place = await openDirectory();
  const directory = join(place, 'a fresh clone');
  await copyCheckout(directory);
  await runWell('npm', ['ci', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'], {
    cwd: directory,
    env: environmentForNpm(),
  });
  const home = join(place, 'home');
  await mkdir(home);
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    XDG_DATA_HOME: join(home, 'data'),
    npm_config_offline: 'true',
    npm_config_update_notifier: 'false',
  };
  return { directory, npx: (...argv) => runToEnd('npx', ['pulse-migrate', ...argv], { cwd: directory, env }) };
}

const test = base
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names a fixture needs from this pattern
  .extend('clone', { scope: 'file' }, async ({}, { onCleanup }) => {
    const clone = await cloneAndInstall();
    onCleanup(async () => void (await clone.npx('embedded', 'reset')));
    return clone;
  });

async function tablesAt(url: string): Promise<number> {
  const { searchParams } = new URL(url);
  const sql = postgres({ host: searchParams.get('host') ?? '', user: 'postgres', database: 'postgres', max: 1 });
  try {
    const rows = await sql`SELECT FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`;
    return rows.length;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

describe('a fresh clone in a directory with a space in its name, installed without scripts', () => {
  test('goes from nothing to eighteen tables by one command, and says so when there is nothing left to do', {
    timeout: 300_000,
  }, async ({ clone }) => {
    await expect(stat(join(clone.directory, 'dist'))).rejects.toThrow('ENOENT');
    const first = await clone.npx('up', '--embedded');
    expect(first, first.stderr).toMatchObject({ exitCode: 0 });
    expect(first.stdout).toContain('1 migration applied; nothing is pending.');
    const url = (await clone.npx('embedded', 'url')).stdout.trim();
    expect(await tablesAt(url)).toBe(18);

    const second = await clone.npx('up', '--embedded');
    expect(second).toMatchObject({ exitCode: 0, stdout: 'Nothing to do: every migration is applied.\n' });

    const reset = (await clone.npx('embedded', 'reset', '--json')).json<{ deleted: boolean; dataDirectory: string }>();
    expect(reset.result.deleted).toBe(true);
    await expect(stat(reset.result.dataDirectory)).rejects.toThrow('ENOENT');
  });
});

describe('the launcher', () => {
  test('says in one line what keeps it from building the program', async () => {
    const directory = await openDirectory();
    for (const name of ['bin', 'scripts', 'package.json'])
      await cp(join(root, name), join(directory, name), { recursive: true });
    const run = await launch(directory);
    expect(run).toMatchObject({ exitCode: 70, stdout: '' });
    expect(run.stderr).toMatch(
      /^pulse-migrate: the program could not be built: .*esbuild.*; run npm ci, then npm run build\n$/,
    );
    expect(await readdir(directory)).not.toContain('dist');
  });

  test('says that a package without its program is to be installed again', async () => {
    const directory = await openDirectory();
    for (const name of ['bin', 'package.json']) await cp(join(root, name), join(directory, name), { recursive: true });
    expect(await launch(directory)).toMatchObject({
      exitCode: 70,
      stderr: 'pulse-migrate: dist is missing from the package; install pulse-migrate again\n',
    });
  });
});

function launch(directory: string): Promise<CliRun> {
  return runToEnd(process.execPath, [join(directory, 'bin/pulse-migrate.js'), '--version'], {
    cwd: directory,
    env: {},
  });
}
