#!/usr/bin/env node
// Starts the program. In a checkout that was installed without running scripts there is no build yet: make it first.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

const program = new URL('../dist/pulse-migrate.cjs', import.meta.url);
const builder = new URL('../scripts/build.mjs', import.meta.url);
if (!existsSync(program) && existsSync(builder)) await import(builder.href);
await createRequire(import.meta.url)(
  program.pathname.startsWith('/') ? decodeURIComponent(program.pathname) : program.href,
).main();
