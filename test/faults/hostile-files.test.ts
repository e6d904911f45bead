import { test } from 'vitest';
import { fromOutside } from './hostile/from-outside.ts';
import { hiddenEnds } from './hostile/hidden-ends.ts';
import type { HostileFile } from './hostile/hostile-file.ts';
import { tryHostile } from './hostile/judge.ts';
import { ownTables } from './hostile/own-tables.ts';
import { sessionState } from './hostile/session-state.ts';
import { openStage, type Stage } from './hostile/stage.ts';
import { sizes, spread } from './support/settings.ts';
import { Tally } from './support/tally.ts';

const files: readonly HostileFile[] = [...hiddenEnds, ...sessionState, ...ownTables, ...fromOutside];
const throughPool = files.filter(({ pooled }) => pooled === true);

test('hostile files either take effect wholly or are told by name, and nothing of them reaches the next file', async () => {
  const tally = new Tally('hostile');
  const stage = await openStage();

  for (const file of chosen(files, sizes.hostile)) {
    await tally.trial(file.name, () => tried(stage, file, false));
  }

  tally.expectNoFault();
});

test('through a pool of one connection hostile files reach neither the next file nor another client', async ({
  skip,
}) => {
  const tally = new Tally('hostile');
  const stage = await openStage();
  skip(stage.pooled('postgres://localhost/a') === null, 'PgBouncer is not installed');

  for (const file of chosen(throughPool, sizes.hostile / 2)) {
    await tally.trial(`${file.name}, pooled`, () => tried(stage, file, true));
  }

  tally.expectNoFault();
});

function tried(stage: Stage, file: HostileFile, pooled: boolean) {
  return stage.withScene(file.as ?? 'chief', (scene) =>
    tryHostile(scene, file, pooled ? stage.pooled(scene.url) : null),
  );
}

/** Evenly over the tables, so that each theme is among them. */
function chosen(from: readonly HostileFile[], count: number): HostileFile[] {
  return spread(from.length, Math.floor(count)).flatMap((number) => from[number - 1] ?? []);
}
