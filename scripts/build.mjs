/** Builds `dist`: the bundles, and the declarations of the public API. Run by `npm ci` and `npm pack` through `prepare`. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bundle } from './bundle.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
await bundle();
if (!process.argv.includes('--no-types')) {
  await rm(join(root, 'dist', 'types'), { recursive: true, force: true });
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await promisify(execFile)(process.execPath, [compiler, '-p', join(root, 'src', 'tsconfig.json')], { cwd: root });
}
