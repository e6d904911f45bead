import { join } from 'node:path';

/**
 * The least that a runner on this driver does which trusts no file it has not hashed: connect, one query, every up read
 * and hashed. What it takes no such program can go below. It works on what the program under test has applied.
 */
export const bareClient = {
  name: 'bare client',
  command: (_verb, { directory, url }) => ({
    file: process.execPath,
    args: [join(import.meta.dirname, 'bare-client-program.mjs'), join(directory, 'migrations')],
    env: { DATABASE_URL: url },
  }),
};
