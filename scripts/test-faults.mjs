// The whole fault campaign: node scripts/test-faults.mjs [files or flags for vitest]
// PULSE_TEST_POSTGRES chooses the server's major, PULSE_FAULTS_REPORT names a file for the summary as JSON,
// and test/faults/support/settings.ts lists the size of each part.
import { run } from './run-tests.mjs';

const env = { PULSE_FAULTS: process.env.PULSE_FAULTS ?? 'full' };
process.exitCode = await run('npx', ['vitest', 'run', '--project', 'faults', ...process.argv.slice(2)], env);
