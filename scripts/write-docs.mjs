/** Writes the tables of README.md from the code: npm run docs. */
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { withTables } from './readme-tables.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
// Node 20 does not read TypeScript by itself.
const { outputFiles } = await build({
  stdin: {
    contents: "export { configurationKeys } from './config/schema.ts'; export { exitCodes } from './exit-codes.ts';",
    resolveDir: join(root, 'src'),
  },
  bundle: true,
  write: false,
  platform: 'node',
  format: 'esm',
});
const tables = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
const readme = join(root, 'README.md');
await writeFile(readme, withTables(await readFile(readme, 'utf8'), tables));
