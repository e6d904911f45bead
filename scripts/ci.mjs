// Runs `npm test` and ends with one line alone: `N passed, N failed`. The exit code is that of `npm test`.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countTests, run } from './run-tests.mjs';

const directory = await mkdtemp(join(tmpdir(), 'pulse-migrate-ci-'));
const outcome = join(directory, 'outcome.json');
try {
  const exitCode = await run('npm', [
    'test',
    '--',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${outcome}`,
  ]);
  const text = await readFile(outcome, 'utf8').catch(() => null);
  if (text === null) console.log('\nno test ran: a check before the tests failed');
  const counts = countTests(text, exitCode);
  console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
  process.exitCode = exitCode;
} finally {
  await rm(directory, { recursive: true, force: true });
}
