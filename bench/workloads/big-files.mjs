import { canReadMemory, runWithMemory } from '../memory.mjs';
import { copySet, insertsSet } from '../migration-sets.mjs';
import { medianOf } from '../rounds.mjs';
import { applyInRounds, wallRows } from './apply-workload.mjs';

function memoryRow(bench, results, { what, contestant, figure, target }) {
  const peak = medianOf(results, contestant, figure);
  const isPulse = contestant === bench.pulse.name;
  return { what, contestant, value: `${peak.toFixed(1)} MiB`, figure: peak, unit: 'MiB', ...(isPulse && { target }) };
}

function bigFile({ name, kind, make, targets }) {
  return {
    name,
    needsPsql: true,
    async run(bench) {
      const { postmaster } = bench.databases;
      const folder = `big-${kind}`;
      const results = await applyInRounds(bench, {
        name: folder,
        set: make(bench.sizes.bigMiB),
        rounds: bench.options.rounds,
        measure: (command, database) => runWithMemory(command, { postmaster, database: database.name }),
      });
      await bench.forget(folder);
      const what = `${bench.sizes.bigMiB} MiB of ${kind}`;
      const rows = wallRows(bench, results, { what, target: targets.wall, against: bench.psql.name });
      if (!canReadMemory) return rows;
      const figures = [{ figure: 'clientMiB', what: `${what}, client memory`, target: targets.client }];
      if (postmaster !== null) {
        figures.push({ figure: 'backendMiB', what: `${what}, backend memory`, target: targets.backend });
      }
      const names = rows.map(({ contestant }) => contestant);
      const memory = figures.flatMap((one) =>
        names.map((contestant) => memoryRow(bench, results, { ...one, contestant })),
      );
      return [...rows, ...memory];
    },
  };
}

/** One large file of INSERTs. */
export const bigInserts = bigFile({
  name: 'big file of INSERTs',
  kind: 'INSERTs',
  make: insertsSet,
  targets: { wall: 'insertsWall', client: 'insertsClient', backend: 'insertsBackend' },
});

/** One large file with the data of a COPY in it. */
export const bigCopy = bigFile({
  name: 'big file of COPY data',
  kind: 'COPY data',
  make: copySet,
  targets: { wall: 'copyWall', client: 'copyClient' },
});
