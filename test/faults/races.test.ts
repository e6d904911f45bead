import type { TestDatabase } from '../support/database.ts';
import { pgbouncerIsHere, startPgbouncer } from '../support/pgbouncer.ts';
import { test } from '../support/program.ts';
import { upBehindReader, upUnderWriters } from './support/load-trials.ts';
import { type Runners, raceUps, raceUpsAndDowns } from './support/race-trials.ts';
import { openScenes, prepare } from './support/scene.ts';
import { isFull, sizes } from './support/settings.ts';
import { Tally } from './support/tally.ts';

const ways = pgbouncerIsHere ? (['direct', 'pooled'] as const) : (['direct'] as const);
type Way = (typeof ways)[number];

/** The URL of a database either way, for the length of a test. */
async function openWay(way: Way, { url }: TestDatabase): Promise<(database: TestDatabase) => string> {
  if (way === 'direct') return (database) => database.url;
  const pooler = new URL(await startPgbouncer(url, 'transaction'));
  return ({ name }) => Object.assign(new URL(pooler), { pathname: `/${name}` }).href;
}

/** Programs of their own cost two seconds of work each ten: all of them once, then a few among many. */
function runnersOf(race: number, way: Way): Runners {
  const programs = race > 1 || (way === 'pooled' && !isFull) ? Math.ceil(sizes.runners / 10) : sizes.runners;
  return { programs, inside: sizes.runners - programs };
}

for (const way of ways) {
  test(`many runs that start at once on an empty database (${way}) apply each of fifty migrations once, all end with 0, and no waiter holds a snapshot`, async ({
    start,
    database,
    openDatabase,
  }) => {
    const reach = await openWay(way, database);
    const tally = new Tally('races');
    for (let race = 1; race <= sizes.races; race += 1) {
      await tally.trial(`ups:${way}:${race}`, async () => {
        const own = await openDatabase();
        return raceUps(own, reach(own), start, runnersOf(race, way));
      });
    }
    tally.expectNoFault();
  });

  test(`ups and downs that meet (${way}) leave the state after some migration, and each says what it has done`, async ({
    database,
    openDatabase,
  }) => {
    const reach = await openWay(way, database);
    const tally = new Tally('races');
    const [scene] = await openScenes(openDatabase, 1);
    for (let race = 1; scene !== undefined && race <= sizes.races; race += 1) {
      const place = `ups and downs:${way}:${race}`;
      await tally.trial(place, async () => {
        await prepare(scene, race % 2 === 0 ? 'up' : 'down');
        return raceUpsAndDowns(scene, reach(scene.database), place);
      });
    }
    tally.expectNoFault();
  });
}

test('nobody who writes to a table that is migrated meanwhile fails or waits longer than one try', async ({
  openDatabase,
}) => {
  const tally = new Tally('races');
  for (let race = 1; race <= sizes.races; race += 1) {
    await tally.trial(`writers:${race}`, async () => upUnderWriters(await openDatabase()));
  }
  tally.expectNoFault();
});

test('nobody who reads a table waits longer than one try while its migration stands behind a long read', async ({
  openDatabase,
}) => {
  const tally = new Tally('races');
  for (let race = 1; race <= sizes.races; race += 1) {
    await tally.trial(`readers:${race}`, async () => upBehindReader(await openDatabase(), isFull ? 8000 : 1500));
  }
  tally.expectNoFault();
});
