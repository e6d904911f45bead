import { pgbouncerIsHere, startPgbouncer } from '../support/pgbouncer.ts';
import { test } from '../support/program.ts';
import { pauseEverywhere, pauseInBuild } from './support/pause-trials.ts';
import { sizes } from './support/settings.ts';
import { Tally } from './support/tally.ts';

const pooled = pgbouncerIsHere ? Math.floor(sizes.pauses / 2) : 0;

test('a holder of the lease that is paused at any moment until another run has done its work ends fenced and says so', async ({
  start,
  openDatabase,
}) => {
  const tally = new Tally('pauses');
  const reach = ({ url }: { readonly url: string }) => url;
  const shared = { tally, way: 'direct', start, open: openDatabase, reach } as const;
  await Promise.all([pauseEverywhere({ ...shared, count: sizes.pauses - pooled }), pauseInBuild(shared)]);
  tally.expectNoFault();
});

test.skipIf(pooled === 0)(
  'a holder behind PgBouncer, where nothing but the lease itself tells that it is gone, ends fenced and says so too',
  async ({ start, database, openDatabase }) => {
    const tally = new Tally('pauses');
    const pooler = new URL(await startPgbouncer(database.url, 'transaction'));
    const reach = ({ name }: { readonly name: string }) =>
      Object.assign(new URL(pooler), { pathname: `/${name}` }).href;
    const shared = { tally, way: 'pooled', start, open: openDatabase, reach } as const;
    await Promise.all([pauseEverywhere({ ...shared, count: pooled }), pauseInBuild(shared)]);
    tally.expectNoFault();
  },
);
