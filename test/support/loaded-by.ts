import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstalledPackage } from './installed-package.ts';

/**
 * What a command line loads: the bundled CommonJS libraries whose code ran, by V8's own count, the parts of the program
 * that are loaded late, by the names of their first files, and the modules of Node.
 */
export async function loadedBy(installed: InstalledPackage, argv: readonly string[], exitCode: number) {
  const directory = await mkdtemp(join(installed.directory, 'loaded by '));
  await writeFile(
    join(directory, 'hook.cjs'),
    `process.on('exit', () => require('node:fs').writeFileSync(process.env.MODULES, JSON.stringify(process.moduleLoadList)));\n`,
  );
  const coverage = join(directory, 'coverage');
  const output = openSync(join(directory, 'output'), 'w');
  const child = spawn(
    process.execPath,
    ['--require', join(directory, 'hook.cjs'), join(installed.package, 'bin/pulse-migrate.js'), ...argv],
    {
      cwd: installed.directory,
      env: { ...installed.env, MODULES: join(directory, 'modules.json'), NODE_V8_COVERAGE: coverage },
      stdio: ['ignore', output, output],
    },
  );
  const code = await new Promise((resolve) => child.once('exit', resolve));
  closeSync(output);
  if (code !== exitCode) throw new Error(`ended with ${code}: ${await readFile(join(directory, 'output'), 'utf8')}`);
  const reports = await Promise.all((await readdir(coverage)).map((name) => readFile(join(coverage, name), 'utf8')));
  const scripts = reports.flatMap((text) => (JSON.parse(text) as CoverageReport).result);
  const own = scripts.filter(({ url }) => url.endsWith('.cjs') && url.includes('/dist/'));
  const chunks = own.flatMap(({ url }) => /\/chunks\/([\w-]+)-\w+\.cjs$/.exec(url)?.[1] ?? []);
  const ran = own.flatMap(({ functions }) => functions.filter(({ ranges }) => (ranges[0]?.count ?? 0) > 0));
  const libraries = ran.flatMap(
    ({ functionName }) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(functionName)?.[1] ?? [],
  );
  const modules = JSON.parse(await readFile(join(directory, 'modules.json'), 'utf8')) as string[];
  return { libraries: [...new Set(libraries)], modules, chunks };
}

/** A file of NODE_V8_COVERAGE; esbuild wraps each module that is loaded late in a function named by its path. */
interface CoverageReport {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly functionName: string;
      readonly ranges: readonly { readonly count: number }[];
    }[];
  }[];
}
