import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { CheckContext } from '../../../src/doctor/check.ts';
import { prisma } from '../../../src/doctor/checks/prisma.ts';
import { inRange } from '../../../src/doctor/prisma/range.ts';

function project(files: Readonly<Record<string, string | object>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'pulse-migrate-prisma-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return directory;
}

const ask = (projectDirectory: string) => prisma.run({ projectDirectory } as CheckContext);

const manifest = (cli: string, client: string) => ({
  dependencies: { '@prisma/client': client },
  devDependencies: { prisma: cli },
});
const installed = (cli: string, client: string) => ({
  'node_modules/prisma/package.json': { version: cli },
  'node_modules/@prisma/client/package.json': { version: client },
});
const generated = (version: string) => ({
  'node_modules/.prisma/client/index.js': `const config = {\n  "clientVersion": "${version}",\n}`,
});

const cases: ReadonlyArray<
  readonly [
    situation: string,
    files: Readonly<Record<string, string | object>>,
    outcome: string,
    message: RegExp,
    hint: RegExp | null,
  ]
> = [
  ['a project without Prisma', { 'package.json': { dependencies: { pg: '8' } } }, 'ok', /not used/, null],
  ['a directory without package.json', {}, 'ok', /not used/, null],
  [
    'one version everywhere',
    { 'package.json': manifest('^5.20.0', '5.22.0'), ...installed('5.22.0', '5.22.0'), ...generated('5.22.0') },
    'ok',
    /prisma 5\.22\.0.*client 5\.22\.0.*generated client 5\.22\.0/,
    null,
  ],
  [
    'a CLI of another version than the client',
    { 'package.json': manifest('^5.20.0', '^5.20.0'), ...installed('5.21.1', '5.22.0') },
    'failure',
    /prisma 5\.21\.1.*client 5\.22\.0/,
    /prisma@5\.22\.0 @prisma\/client@5\.22\.0/,
  ],
  [
    'a client generated before an update',
    { 'package.json': manifest('^5.20.0', '^5.20.0'), ...installed('5.22.0', '5.22.0'), ...generated('5.21.1') },
    'failure',
    /generated client 5\.21\.1/,
    /^npx prisma generate$/,
  ],
  [
    'an installed version outside of package.json',
    { 'package.json': manifest('5.22.0', '5.22.0'), ...installed('5.21.0', '5.21.0') },
    'failure',
    /prisma 5\.21\.0 is installed, but package\.json wants 5\.22\.0/,
    /npm ci/,
  ],
  [
    'packages that are not installed',
    { 'package.json': manifest('5.22.0', '5.22.0') },
    'warning',
    /prisma and @prisma\/client, not installed/,
    /npm ci/,
  ],
  [
    'a schema without any package',
    { 'prisma/schema.prisma': 'generator client {}' },
    'warning',
    /no Prisma package/,
    /npm install/,
  ],
  ['a package.json that is not JSON', { 'package.json': '{' }, 'unknown', /package\.json: it is not JSON/, /npm ci/],
  [
    'an installed package without a version',
    { 'package.json': manifest('5.22.0', '5.22.0'), 'node_modules/prisma/package.json': {} },
    'unknown',
    /names no version/,
    /npm ci/,
  ],
];

test.each(cases)('%s gets its own answer', async (_situation, files, outcome, message, hint) => {
  const finding = await ask(project(files));
  expect(finding.message).toMatch(message);
  expect(finding.outcome).toBe(outcome);
  if (hint === null) expect(finding.hint).toBeNull();
  else expect(finding.hint).toMatch(hint);
});

test('packages that a workspace keeps above the project are found where Node finds them', async () => {
  const root = project({ 'packages/api/package.json': manifest('^5.0.0', '^5.0.0'), ...installed('5.21.1', '5.22.0') });
  expect((await ask(join(root, 'packages/api'))).outcome).toBe('failure');
});

test.each([
  ['5.22.0', '5.22.0', true],
  ['5.22.1', '5.22.0', false],
  ['5.22.1', '~5.22.0', true],
  ['5.23.0', '~5.22.0', false],
  ['5.23.0', '^5.22.0', true],
  ['5.21.9', '^5.22.0', false],
  ['6.0.0', '^5.22.0', false],
  ['0.2.9', '^0.2.3', true],
  ['0.3.0', '^0.2.3', false],
  ['5.22.0', '>=5', null],
  ['5.22.0', 'workspace:*', null],
])('version %s in range %s is %s', (version, range, answer) => {
  expect(inRange(version, range)).toBe(answer);
});
