// The tests that meet a server, on each major version: node scripts/test-matrix.mjs [15 16 17 18] [-- arguments for vitest]
import { runMatrix } from './matrix.mjs';

const separator = process.argv.indexOf('--');
const end = separator === -1 ? process.argv.length : separator;
const asked = process.argv.slice(2, end);
const versions = asked.length > 0 ? asked : ['15', '16', '17', '18'];
for (const version of versions) {
  if (!/^1[5-8]$/.test(version)) {
    console.error(`no server programs for PostgreSQL "${version}"; known are 15, 16, 17 and 18`);
    process.exit(2);
  }
}
const rows = await runMatrix(versions, process.argv.slice(end + 1));
process.exitCode = rows.some((row) => row.exitCode !== 0) ? 1 : 0;
