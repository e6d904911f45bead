import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ledger =
  'CREATE TABLE ledger (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL);\n';

/**
 * The floor: one `psql -f` of all migrations, each in a transaction with its row in a ledger. Null when there is no psql.
 */
export async function findPsql() {
  const answer = await promisify(execFile)('psql', ['--version']).catch(() => null);
  if (answer === null) return null;
  return {
    name: 'psql -f',
    version: /\d+(\.\d+)?/.exec(answer.stdout)?.[0] ?? 'unknown',
    async write(directory, list) {
      const script = await open(join(directory, 'all.sql'), 'w');
      await script.write(ledger);
      for (const { number, name, up } of list) {
        await script.write('BEGIN;\n');
        await script.write(up);
        await script.write(`INSERT INTO ledger VALUES (${number}, '${name}', now());\nCOMMIT;\n`);
      }
      await script.close();
    },
    // Without its user's psqlrc, and stopping at the first error as every tool does.
    command: (_verb, { url }) => ({ file: 'psql', args: ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', 'all.sql', url] }),
  };
}
