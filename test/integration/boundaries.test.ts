import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const violations: ReadonlyArray<readonly [title: string, room: string, text: string, message: string]> = [
  [
    'a room importing one above it',
    'migrations',
    "import { run } from '../cli/run.ts';\nexport const x = run;\n",
    'may import only',
  ],
  [
    'a type import against the direction',
    'postgres',
    "import type { Folder } from '../migrations/migration.ts';\nexport type X = Folder;\n",
    'may import only',
  ],
  ['a re-export against the direction', 'ledger', "export { up } from '../runner/up.ts';\n", 'may import only'],
  [
    'a dynamic import against the direction',
    'runner',
    "export const x = () => import('../doctor/check.ts');\n",
    'may import only',
  ],
  [
    'a capability importing another',
    'retention',
    "import { takeLease } from '../runner/lease.ts';\nexport const x = takeLease;\n",
    'may import only',
  ],
  [
    'the driver outside postgres',
    'runner',
    "import postgres from 'postgres';\nexport const x = postgres;\n",
    'only src/postgres imports postgres',
  ],
  [
    'commander outside cli',
    'doctor',
    "import { Command } from 'commander';\nexport const x = Command;\n",
    'only src/cli imports commander',
  ],
  ['a look at the clock in an operation', 'runner', 'export const x = () => Date.now();\n', 'read no clock'],
  ['chance in an operation', 'ledger', 'export const x = () => Math.random();\n', 'draw no chance'],
  ['the environment in an operation', 'doctor', "export const x = () => process.env['HOME'];\n", 'process'],
  ['the process in the edge outside main.ts', 'cli', 'export const x = () => process.exit(1);\n', 'process'],
];

const harmless =
  "import { PulseError } from '../errors.ts';\nexport const x = new PulseError('bug', new Date(0).toISOString());\n";

/** What the linter says about each planted text, by its index; one run of the linter for all of them. */
async function lintPlanted(planted: ReadonlyArray<readonly [room: string, text: string]>): Promise<string[]> {
  const paths = planted.map(([room], index) => `src/${room}/planted-violation-${index}.ts`);
  try {
    await Promise.all(planted.map(([, text], index) => writeFile(paths[index] ?? '', text)));
    const report = await lint(paths);
    return paths.map((path) =>
      report
        .filter(({ location }) => location.path === path)
        .map(({ message }) => message)
        .join('\n'),
    );
  } finally {
    await Promise.all(paths.map((path) => rm(path, { force: true })));
  }
}

interface Diagnostic {
  readonly message: string;
  readonly location: { readonly path: string };
}

async function lint(paths: readonly string[]): Promise<readonly Diagnostic[]> {
  const run = promisify(execFile)('node_modules/.bin/biome', ['lint', '--reporter=json', ...paths]);
  // Exit 1 is the linter's way to say that it found something.
  const { stdout } = await run.catch((error: { stdout: string }) => error);
  return JSON.parse(stdout).diagnostics;
}

test('the linter finds every planted violation of the directions, and nothing in a file that keeps them', async () => {
  const said = await lintPlanted([...violations.map(([, room, text]) => [room, text] as const), ['runner', harmless]]);
  expect(violations.map(([title], index) => [title, said[index]])).toEqual(
    violations.map(([title, , , message]) => [title, expect.stringContaining(message)]),
  );
  expect(said.at(-1)).toBe('');
});
