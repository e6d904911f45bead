import { loadModule } from 'libpg-query';
import { beforeAll, expect, test } from 'vitest';
import { batchPlaces, fuzzBatch } from './fuzz/batches.ts';
import { checkFile, type FileCounts } from './fuzz/file-properties.ts';
import { fileKinds } from './fuzz/sql-bytes.ts';
import { sizes } from './support/settings.ts';
import { Tally } from './support/tally.ts';

/** Files of one batch, which is one trial of the summary. */
const filesOfBatch = 250;

beforeAll(loadModule);

test('drawn and damaged SQL files are cut as the server cuts them, and none is more than refused', async () => {
  const tally = new Tally('fuzz-files');
  const counts: FileCounts = { files: 0, decoded: 0, compared: 0, accepted: 0 };
  const kinds = ['realistic', 'shaped', 'realistic', 'shaped', 'noise'] as const;
  for (const { kind, place } of batchPlaces(kinds, Math.ceil(sizes.fuzzedFiles / filesOfBatch))) {
    await fuzzBatch(tally, {
      place,
      inputs: fileKinds[kind],
      runs: filesOfBatch,
      // A character for each byte.
      show: (bytes) => JSON.stringify(Buffer.from(bytes).toString('latin1')),
      check: (bytes) => checkFile(bytes, counts),
      figures: () => ({ ...counts }),
    });
  }
  tally.expectNoFault();
  // A comparison that the parser refuses to make proves little.
  if (counts.files >= 500) expect(counts.compared / counts.files).toBeGreaterThan(0.3);
});
