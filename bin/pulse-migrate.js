#!/usr/bin/env node
// Starts the program. In a checkout that was installed without running scripts there is no build yet: make it first.
// CommonJS, by the package.json beside it: an ES module would start Node's other loader first.
const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

const program = join(__dirname, '../dist/pulse-migrate.cjs');
const bundler = join(__dirname, '../scripts/bundle.mjs');

/** Why there is no program to start, or null when there is one. */
async function reasonNotToStart() {
  if (!existsSync(bundler)) return 'dist is missing from the package; install pulse-migrate again';
  try {
    const { bundle } = await import(pathToFileURL(bundler).href);
    await bundle({ logLevel: 'silent' });
    return null;
  } catch (error) {
    const [summary, first = ''] = String(error?.message ?? error).split('\n');
    return `the program could not be built: ${`${summary} ${first}`.trim()}; run npm ci, then npm run build`;
  }
}

async function start() {
  const reason = existsSync(program) ? null : await reasonNotToStart();
  if (reason === null) return require(program).main();
  console.error(`pulse-migrate: ${reason}`);
  process.exitCode = 70;
}

void start();
