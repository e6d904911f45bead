import { medianOf, pairedRatio, runRounds } from '../rounds.mjs';
import { runWell } from '../run-program.mjs';

/**
 * All contestants apply one set, each time to an empty database, and it is looked at whether it is there. `measure` runs
 * a command and answers with its figures; `reach` may lead the URL elsewhere first.
 */
export async function applyInRounds(
  bench,
  { name, set, rounds, others = [], measure = (command) => runWell(command), reach = (url) => url },
) {
  const contestants = bench.floorAndTools.map((contestant) => ({
    key: contestant.name,
    required: contestant === bench.pulse || contestant === bench.psql,
    run: async () => {
      const directory = await bench.folder(contestant, name, set);
      return bench.withDatabase(async (database) => {
        const command = bench.command(contestant, 'up', { directory, url: reach(database.url) });
        const figures = await measure(command, database);
        await bench.check(database, set);
        return figures;
      });
    },
  }));
  return runRounds([...contestants, ...others], rounds, bench.tell);
}

/** One row for each contestant's wall time, against that of one or of several together. */
export function wallRows(bench, results, { what, target, against }) {
  return bench.floorAndTools
    .filter(({ name }) => results.has(name))
    .map((contestant) => ({
      what,
      contestant: contestant.name,
      value: `${medianOf(results, contestant.name, 'seconds').toFixed(2)} s`,
      ratio: pairedRatio(results, contestant.name, against, 'seconds'),
      against: [against].flat().join(' + '),
      picture: what,
      ...(contestant === bench.pulse && { target }),
    }));
}
