import { test } from '../support/program.ts';
import { killEverywhere } from './support/kill-trials.ts';
import { pooledKills, sizes } from './support/settings.ts';

test('the program, killed at any moment of up or down, leaves nothing half done, and the next run completes', async ({
  start,
  openDatabase,
}) => {
  const count = sizes.kills - pooledKills;
  await killEverywhere({ way: 'direct', start, open: openDatabase, reach: ({ url }) => url, count, lanes: 3 });
});
