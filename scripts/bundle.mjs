import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { connectionFile, mendConnection } from './mend-postgres.mjs';
import { thirdPartyNotices } from './third-party-notices.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const mendDriver = {
  name: 'mend-driver',
  setup(builder) {
    builder.onLoad({ filter: connectionFile }, async ({ path }) => ({
      contents: mendConnection(await readFile(path, 'utf8')),
      loader: 'js',
    }));
  },
};

/** `import.meta.url` does not exist in CommonJS; the few places that ask want the place of this file. */
const program = {
  entryPoints: ['src/cli/main.ts'],
  format: 'cjs',
  define: { 'import.meta.url': '__importMetaUrl' },
  banner: { js: "const __importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
};

/** What CommonJS packages `require` in turn does not exist in an ES module. */
const library = {
  entryPoints: ['src/index.ts'],
  format: 'esm',
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
};

/**
 * Writes the program (one CommonJS file, the fastest form Node 20 can start), the public API (one ES module) and the
 * licences of what both contain into `dist`.
 */
export async function bundle({ logLevel = 'warning' } = {}) {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const make = ({ define, ...options }) =>
    build({
      ...options,
      absWorkingDir: root,
      bundle: true,
      write: false,
      metafile: true,
      platform: 'node',
      target: 'node20',
      external: ['typescript'],
      // The ES module source of the driver is the one that is mended; esbuild would take its CommonJS build for a CJS bundle.
      alias: {
        postgres: join(dirname(createRequire(import.meta.url).resolve('postgres')), '..', '..', 'src', 'index.js'),
      },
      define: { ...define, __PULSE_VERSION__: JSON.stringify(version) },
      plugins: [mendDriver],
      logLevel,
      legalComments: 'none',
    });
  const [programBuild, libraryBuild] = [await make(program), await make(library)];
  const sources = [programBuild, libraryBuild].flatMap(({ metafile }) => Object.keys(metafile.inputs));
  await mkdir(join(root, 'dist'), { recursive: true });
  await put('third-party-notices.txt', await thirdPartyNotices(root, sources));
  await put('index.js', libraryBuild.outputFiles[0].contents);
  await put('pulse-migrate.cjs', programBuild.outputFiles[0].contents);
}

/** Written beside and renamed: two commands that start in a fresh checkout at once never see half a file. */
async function put(name, content) {
  const target = join(root, 'dist', name);
  const beside = `${target}.${process.pid}.tmp`;
  await writeFile(beside, content);
  await rename(beside, target);
}
