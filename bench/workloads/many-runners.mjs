import { smallSet } from '../migration-sets.mjs';
import { medianOf, pairedRatio, runRounds } from '../rounds.mjs';
import { runToEnd } from '../run-program.mjs';

/** So many processes of one tool begin at once; how many failed, and how long it took until the last had ended. */
async function runAtOnce(bench, tool, set, runners) {
  const directory = await bench.folder(tool, `small-${set.list.length}`, set);
  return bench.withDatabase(async (database) => {
    const command = bench.command(tool, 'up', { directory, url: database.url });
    const began = performance.now();
    const ends = await Promise.all(Array.from({ length: runners }, () => runToEnd(command)));
    const seconds = (performance.now() - began) / 1000;
    // A table cannot be made twice, so that all are there means that each was applied once.
    await bench.check(database, set);
    return { seconds, failed: ends.filter(({ exitCode }) => exitCode !== 0).length };
  });
}

/** Containers that start together: all have to succeed, and each migration has to be applied once. */
export const manyRunners = {
  name: 'many runners at once',
  async run(bench) {
    const { runners, pending } = bench.sizes;
    const set = smallSet(pending);
    const contestants = bench.tools.flatMap((tool) =>
      [1, runners].map((count) => ({
        key: `${tool.name} ${count}`,
        required: tool === bench.pulse,
        run: () => runAtOnce(bench, tool, set, count),
      })),
    );
    const results = await runRounds(contestants, bench.options.rounds, bench.tell);
    const what = `${runners} runners at once, ${pending} pending`;
    return bench.tools
      .filter(({ name }) => results.has(`${name} 1`) && results.has(`${name} ${runners}`))
      .flatMap(({ name }) => {
        const [alone, together] = [`${name} 1`, `${name} ${runners}`];
        const isPulse = name === bench.pulse.name;
        const failed = results.get(together).reduce((sum, result) => sum + result.failed, 0);
        const all = results.get(together).length * runners;
        const wall = {
          what: `${what}, wall`,
          contestant: name,
          value: `${medianOf(results, together, 'seconds').toFixed(2)} s`,
          ratio: pairedRatio(results, together, alone, 'seconds'),
          against: 'one alone',
          ...(isPulse && { target: 'runnersWall' }),
        };
        const ends = {
          what: `${what}, exit 0`,
          contestant: name,
          value: `${all - failed} of ${all}`,
          figure: failed,
          unit: 'failed',
          ...(isPulse && { target: 'runnersFailed' }),
        };
        return [wall, ends];
      });
  },
};
