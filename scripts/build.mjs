/**
 * Builds `dist`: the program as one CommonJS file (the fastest form Node 20 can start), the public API as one module,
 * and its declarations. Run by `npm ci` through `prepare`, and by bin/pulse-migrate.js in a checkout that has no build yet.
 */
import { execFile } from 'node:child_process';
import { readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { connectionFile, mendConnection } from './mend-postgres.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));

const mendDriver = {
  name: 'mend-driver',
  setup(builder) {
    builder.onLoad({ filter: connectionFile }, async ({ path }) => ({
      contents: mendConnection(await readFile(path, 'utf8')),
      loader: 'js',
    }));
  },
};

const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  external: ['typescript'],
  // The ES module source of the driver is the one that is mended; esbuild would take its CommonJS build for a CJS bundle.
  alias: { postgres: join(dirname(createRequire(import.meta.url).resolve('postgres')), '..', '..', 'src', 'index.js') },
  define: { __PULSE_VERSION__: JSON.stringify(version) },
  plugins: [mendDriver],
  logLevel: 'warning',
  legalComments: 'none',
};

// Built beside and renamed: two commands that start in a fresh checkout at once never see half a file.
const beside = `.${process.pid}.tmp`;
const program = join(root, 'dist', 'pulse-migrate.cjs');
const library = join(root, 'dist', 'index.js');
await build({
  ...shared,
  entryPoints: ['src/cli/main.ts'],
  outfile: program + beside,
  format: 'cjs',
  // `import.meta.url` does not exist in CommonJS; the few places that ask want the place of this file.
  inject: [],
  define: { ...shared.define, 'import.meta.url': '__importMetaUrl' },
  banner: { js: "const __importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
});
await build({
  ...shared,
  entryPoints: ['src/index.ts'],
  outfile: library + beside,
  format: 'esm',
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
await rename(program + beside, program);
await rename(library + beside, library);

if (!process.argv.includes('--no-types')) {
  await rm(join(root, 'dist', 'types'), { recursive: true, force: true });
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await promisify(execFile)(process.execPath, [compiler, '-p', join(root, 'src', 'tsconfig.json')], { cwd: root });
}
