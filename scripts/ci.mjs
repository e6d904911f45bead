// Runs `npm test`, then what depends on the server's version on the other majors, and ends with one line alone:
// `N passed, N failed`.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runMatrix } from './matrix.mjs';
import { countTests, run } from './run-tests.mjs';

const rooms = (...names) => names.map((room) => `test/integration/${room}`);
const engine = rooms('migrations', 'ledger', 'runner', 'partitions', 'reports');

/** The longest of them, which the newest version alone has to do besides: the whole gate has half an hour. */
const longest = [
  ...['convert-under-load', 'convert-crash', 'drain-killed', 'story-of-a-year'],
  ...['lost-connection', 'one-at-a-time', 'lock-waits', 'streamed', 'interrupted', 'three-hundred', 'pooler'],
];
const without = longest.flatMap((name) => ['--exclude', `**/${name}.test.ts`]);

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
  const rows =
    exitCode === 0
      ? [
          ...(await runMatrix(['16', '17'], [...engine, ...without])),
          ...(await runMatrix(['18'], [...engine, ...rooms('scratch')])),
        ]
      : [];
  const total = (key) => rows.reduce((sum, row) => sum + row[key], counts[key]);
  console.log(`\n${total('passed')} passed, ${total('failed')} failed`);
  process.exitCode = exitCode !== 0 || rows.some((row) => row.exitCode !== 0) ? 1 : 0;
} finally {
  await rm(directory, { recursive: true, force: true });
}
