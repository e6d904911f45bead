#!/usr/bin/env node
// Starts the program. In a checkout that was installed without running scripts there is no build yet: make it first.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../dist/pulse-migrate.cjs', import.meta.url));
const bundler = new URL('../scripts/bundle.mjs', import.meta.url);

/** Why there is no program to start, or null when there is one. */
async function reasonNotToStart() {
  if (existsSync(program)) return null;
  if (!existsSync(bundler)) return 'dist is missing from the package; install pulse-migrate again';
  try {
    const { bundle } = await import(bundler.href);
    await bundle({ logLevel: 'silent' });
    return null;
  } catch (error) {
    const [summary, first = ''] = String(error?.message ?? error).split('\n');
    return `the program could not be built: ${`${summary} ${first}`.trim()}; run npm ci, then npm run build`;
  }
}

const reason = await reasonNotToStart();
if (reason === null) {
  await createRequire(import.meta.url)(program).main();
} else {
  console.error(`pulse-migrate: ${reason}`);
  process.exitCode = 70;
}
