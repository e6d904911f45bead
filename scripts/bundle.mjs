import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build, transform } from 'esbuild';
import { joinChunks } from './join-chunks.mjs';
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

/** Only a subcommand that is a program of its own needs it, and there is none: with it Node would load its whole network. */
const lightCommander = {
  name: 'light-commander',
  setup(builder) {
    builder.onLoad({ filter: /[\\/]commander[\\/]lib[\\/]command\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const from = "const childProcess = require('node:child_process');\n";
      if (!source.includes(from)) throw new Error('commander changed: it loads node:child_process in another way');
      return { contents: source.replace(from, ''), loader: 'js' };
    });
  },
};

/** Cut at each `import()`, so that what a command line does not use is not even read; CommonJS only behind that. */
const program = {
  entryPoints: { 'pulse-migrate': 'src/cli/start.ts' },
  format: 'esm',
  splitting: true,
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
  chunkNames: 'chunks/[name]-[hash]',
};

const entry = 'pulse-migrate.cjs';

/** What is loaded together, in the order in which a command comes to it. */
const groups = [
  { file: entry, entryPoints: ['src/version.ts', 'src/cli/start.ts'] },
  { file: 'chunks/program-[hash].cjs', entryPoints: ['src/cli/main.ts'] },
  { file: 'chunks/settings-[hash].cjs', entryPoints: ['src/config/load.ts'] },
  {
    file: 'chunks/connecting-[hash].cjs',
    entryPoints: [
      'src/migrations/folder.ts',
      'src/postgres/connect.ts',
      'src/postgres/guarded.ts',
      'src/ledger/read.ts',
      'src/runner/status.ts',
    ],
  },
  { file: 'chunks/running-[hash].cjs', entryPoints: ['src/cli/actor.ts', 'src/runner/up.ts'] },
];

/** What is read at every start, or downloaded, is shorter then; names stay, for whoever has to look into a profile. */
const shorter = { minifyWhitespace: true, minifySyntax: true };

/** `import.meta.url` does not exist in CommonJS; the few places that ask want a place within the package. */
const toCommonJs = {
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  ...shorter,
  supported: { 'dynamic-import': false },
  define: {
    'import.meta.url': '__importMetaUrl',
    // It tells people to update Node for the sake of newer versions of the SDK, which is shipped within this program.
    'process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED': "'true'",
  },
};

const ownUrl = "const __importMetaUrl = require('node:url').pathToFileURL(__filename).href;";

/** What CommonJS packages `require` in turn does not exist in an ES module. */
const library = {
  entryPoints: ['src/index.ts'],
  format: 'esm',
  ...shorter,
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
};

/**
 * Writes the program (CommonJS, the fastest form Node 20 can start), the public API (one ES module) and the licences of
 * what both contain into `dist`.
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
      plugins: [mendDriver, lightCommander],
      logLevel,
      legalComments: 'none',
    });
  const [programBuild, libraryBuild] = [await make(program), await make(library)];
  const sources = [programBuild, libraryBuild].flatMap(({ metafile }) => Object.keys(metafile.inputs));
  await mkdir(join(root, 'dist/chunks'), { recursive: true });
  await put('third-party-notices.txt', await thirdPartyNotices(root, sources));
  await put('index.js', libraryBuild.outputFiles[0].contents);
  const files = joinChunks(await chunksOf(programBuild), groups);
  const isEntry = ({ name }) => name === entry;
  const chunks = files.filter((file) => !isEntry(file));
  await rm(join(root, 'dist', helpText), { force: true });
  // Chunks have their content in their names; the program comes last, since with it the build is there.
  for (const { name, text } of [...chunks, ...files.filter(isEntry)]) await put(name, text);
  await put(helpText, await help());
  await removeOthers(chunks.map(({ name }) => name));
}

/** The chunks that esbuild made, as CommonJS. */
function chunksOf({ outputFiles, metafile }) {
  const nameOf = (path) => relative(join(root, 'dist'), resolve(root, path));
  const outputs = new Map(Object.entries(metafile.outputs).map(([path, output]) => [nameOf(path), output]));
  return Promise.all(
    outputFiles.map(async ({ path, text }) => {
      const name = nameOf(path);
      const { entryPoint, imports } = outputs.get(name);
      const banner = text.includes('import.meta.url') ? ownUrl : '';
      const { code } = await transform(text, { ...toCommonJs, banner });
      const required = imports.filter(({ kind, external }) => kind === 'import-statement' && !external);
      return { name, code, entryPoint, imports: required.map((imported) => nameOf(imported.path)) };
    }),
  );
}

const helpText = 'help.txt';

/** What the program just written says to `--help`; as long as the file is not there, it renders it. */
async function help() {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'bin/pulse-migrate.js'), '--help']);
  return stdout;
}

/** Chunks of earlier builds; a program that is just starting may still want one that is a minute old. */
async function removeOthers(names) {
  const chunks = join(root, 'dist/chunks');
  for (const name of await readdir(chunks)) {
    if (names.includes(`chunks/${name}`)) continue;
    const { mtimeMs } = await stat(join(chunks, name));
    if (Date.now() - mtimeMs > 60_000) await rm(join(chunks, name), { force: true });
  }
}

/** Written beside and renamed: two commands that start in a fresh checkout at once never see half a file. */
async function put(name, content) {
  const target = join(root, 'dist', name);
  const beside = `${target}.${process.pid}.tmp`;
  await writeFile(beside, content);
  await rename(beside, target);
}
