import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, inject } from 'vitest';
import { test } from '../support/database.ts';
import { urlAs } from '../support/open-session.ts';
import { batchPlaces, FuzzFault, fuzzBatch } from './fuzz/batches.ts';
import { type Input, inputKinds, inputsForServer } from './fuzz/input.ts';
import { checkInput, type InputCounts } from './fuzz/input-properties.ts';
import { canary } from './fuzz/values.ts';
import { emptyAgain, whatWasWritten } from './fuzz/written.ts';
import { sizes } from './support/settings.ts';
import { Tally } from './support/tally.ts';

/** Inputs of one batch, which is one trial of the summary. */
const inputsOfBatch = 20;

/** One input of so many meets a server. */
const withoutServer = 9;

const show = (input: Input): string => JSON.stringify(input);
const batches = Math.ceil(sizes.fuzzedInputs / inputsOfBatch);
const served = Math.ceil(batches / (withoutServer + 1));
const home = process.cwd();

beforeAll(() => {
  // Whatever is written without a thought for where the command runs lands here, where nothing else is.
  process.chdir(mkdtempSync(join(inject('runDirectory'), 'elsewhere-')));
});
afterAll(() => process.chdir(home));

test('odd connections, configurations, folders and arguments are taken or refused with a word, and nothing worse', async () => {
  const tally = new Tally('fuzz-inputs');
  const counts: InputCounts = {};
  const kinds = ['connections', 'configurations', 'folders', 'arguments'] as const;
  for (const { kind, place } of batchPlaces(kinds, batches - served)) {
    await fuzzBatch(tally, {
      place,
      inputs: inputKinds[kind],
      runs: inputsOfBatch,
      show,
      check: async (input) => void (await checkInput(inject('runDirectory'), input, counts)),
      figures: () => ({ ...counts }),
    });
  }
  tally.expectNoFault();
});

test('what is refused with exit code 2 has written nothing to the database', async ({ database }) => {
  const tally = new Tally('fuzz-inputs-on-server');
  const counts: InputCounts = {};
  const role = `${database.name}_fuzz`;
  await database.admin(`CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD '${canary}'`);
  const url = urlAs(database.url, role, canary);
  for (const { place } of batchPlaces(['server'], served)) {
    await fuzzBatch(tally, {
      place,
      inputs: inputsForServer,
      runs: inputsOfBatch,
      show,
      check: async (input) => {
        const run = await checkInput(inject('runDirectory'), input, counts, { DATABASE_URL: url });
        const written = await whatWasWritten(database, role);
        await emptyAgain(database, written);
        if (run.exitCode === 2 && written.objects.length > 0) {
          throw new FuzzFault(
            'untrue',
            `refused, and yet there is ${written.objects.join(', ')}; stderr: ${run.stderr}`,
          );
        }
        if (written.sessions > 0) throw new FuzzFault('left behind', `${written.sessions} sessions`);
      },
      figures: () => ({ ...counts }),
    });
  }
  await database.admin(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
  tally.expectNoFault();
});
