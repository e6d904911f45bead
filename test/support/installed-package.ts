import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyCheckout, environmentForNpm, openDirectory, root, runToEnd, runWell } from './checkout.ts';
import type { CliRun } from './cli.ts';
import { test as base } from './database.ts';

/** What `npm pack --json` says of a package. */
export interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/** The packed package, installed in a project of its own. */
export interface InstalledPackage {
  readonly packed: Packed;
  /** The project's directory. */
  readonly directory: string;
  /** The package below it. */
  readonly package: string;
  /** What a command gets: no more of this machine's environment than PATH, and a home of its own. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs the program by the link that npm made. */
  run(argv: readonly string[], env?: Readonly<Record<string, string>>): Promise<CliRun>;
}

async function packCheckout(target: string): Promise<Packed> {
  const checkout = join(target, 'checkout');
  await copyCheckout(checkout);
  await symlink(join(root, 'node_modules'), join(checkout, 'node_modules'));
  const place = { cwd: checkout, env: environmentForNpm() };
  await runWell(process.execPath, ['scripts/build.mjs'], place);
  const { stdout } = await runWell('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', target], place);
  const [packed] = JSON.parse(stdout) as [Packed];
  return packed;
}

async function install(): Promise<InstalledPackage> {
  const place = await openDirectory();
  const packed = await packCheckout(place);
  const directory = join(place, 'an app');
  const home = join(place, 'home');
  await mkdir(directory);
  await mkdir(home);
  await writeFile(join(directory, 'package.json'), '{"name": "an-app", "private": true, "type": "module"}\n');
  // Offline with an empty cache: a package that needed another one could not be installed.
  const flags = ['--offline', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund'];
  const env = { ...environmentForNpm(), npm_config_cache: join(place, 'cache') };
  await runWell('npm', ['install', ...flags, join(place, packed.filename)], { cwd: directory, env });
  const own = { PATH: process.env['PATH'] ?? '', HOME: home };
  return {
    packed,
    directory,
    package: join(directory, 'node_modules/pulse-migrate'),
    env: own,
    run: (argv, env = {}) =>
      runToEnd(join(directory, 'node_modules/.bin/pulse-migrate'), argv, { cwd: directory, env: { ...own, ...env } }),
  };
}

/** `test` with the package of the sources as they are now, installed elsewhere without a network, beside the database. */
export const test = base
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names a fixture needs from this pattern
  .extend('installed', { scope: 'file' }, async ({}) => install());
