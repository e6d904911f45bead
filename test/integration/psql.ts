import { execFile, spawnSync } from 'node:child_process';

/** Whether psql is there: the only witness for what libpq makes of a string. */
export const hasPsql = spawnSync('psql', ['--version']).status === 0;

/** What psql prints for one query, or null when it could not connect. Nothing of this process's environment reaches libpq. */
export function askPsql(
  connection: string,
  query: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | null> {
  return new Promise((resolve) => {
    const settings = { env: { PATH: process.env['PATH'], LC_ALL: 'C', ...env }, timeout: 20_000 };
    execFile('psql', ['-XAtw', '-d', connection, '-c', query], settings, (error, stdout) =>
      resolve(error ? null : stdout.trim()),
    );
  });
}
