import { pgbouncerIsHere, startPgbouncer } from '../support/pgbouncer.ts';
import { test } from '../support/program.ts';
import { killEverywhere } from './support/kill-trials.ts';
import { pooledKills } from './support/settings.ts';

// Most of them wait until the lease of the dead has run out, which takes half a minute and no work.
test.skipIf(!pgbouncerIsHere || pooledKills === 0)(
  'the program behind PgBouncer, killed at any moment of up or down, leaves nothing half done, and the next run completes',
  async ({ start, database, openDatabase }) => {
    const pooler = new URL(await startPgbouncer(database.url, 'transaction'));
    await killEverywhere({
      way: 'pooled',
      start,
      open: openDatabase,
      reach: ({ name }) => Object.assign(new URL(pooler), { pathname: `/${name}` }).href,
      count: pooledKills,
      lanes: 12,
    });
  },
);
