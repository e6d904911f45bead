import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { catalogue, type ErrorCode, PulseError } from '../../src/errors.ts';
import { exitCodes } from '../../src/exit-codes.ts';
import { cli } from '../support/cli.ts';

const codes = Object.keys(catalogue) as ErrorCode[];

test('the table of exit codes holds exactly those that can happen, 0 and the signals', () => {
  const listed = exitCodes.flatMap(([code]) => code.split(', ').map(Number));

  expect(new Set(listed)).toEqual(new Set([0, 129, 143, ...codes.map((code) => catalogue[code].exitCode)]));
});

test('--help shows the table', async () => {
  const { stdout, exitCode } = await cli(['--help'], { cwd: '/' });

  expect(exitCode).toBe(0);
  for (const [code, meaning] of exitCodes) expect(stdout).toContain(`${code.padEnd(14)}${meaning}`);
});

test('an error of the catalogue takes its exit code and its next step from there unless it knows better', () => {
  expect(new PulseError('migration-failed', 'x')).toMatchObject({
    exitCode: 5,
    hint: catalogue['migration-failed'].nextStep,
  });
  expect(new PulseError('interrupted', 'x', { exitCode: 143, hint: 'y' })).toMatchObject({ exitCode: 143, hint: 'y' });
});

test('an error keeps everything it says when what is true now is added', () => {
  const cause = new Error('deeper');
  const options = {
    hint: 'h',
    location: { file: 'f', line: 1 },
    problems: [{ message: 'p' }],
    server: { sqlstate: '42601' },
    exitCode: 9,
    now: ['n'],
    cause,
  };

  const error = new PulseError('migration-failed', 'm', options).withResult({ applied: [] });

  expect(error).toMatchObject({ code: 'migration-failed', message: 'm', ...options, result: { applied: [] } });
});

test('every code of the catalogue is named by a test', async () => {
  const root = join(import.meta.dirname, '..');
  const names = (await readdir(root, { recursive: true })).filter(
    (name) => name.endsWith('.test.ts') && !name.includes('node_modules') && !name.endsWith('errors.test.ts'),
  );
  const texts = (await Promise.all(names.map((name) => readFile(join(root, name), 'utf8')))).join('\n');

  expect(codes.filter((code) => !new RegExp(`['"\`]${code}\\b`).test(texts))).toEqual([]);
});
