import { startDelayProxy } from '../delay-proxy.mjs';
import { smallSet } from '../migration-sets.mjs';
import { medianOf } from '../rounds.mjs';
import { runWell } from '../run-program.mjs';
import { delayMs } from '../sizes.mjs';
import { applyInRounds, wallRows } from './apply-workload.mjs';

/** Many small migrations on a server of this machine. */
export const smallMigrations = {
  name: 'small migrations, local',
  needsPsql: true,
  async run(bench) {
    const count = bench.sizes.small;
    const { rounds } = bench.options;
    const results = await applyInRounds(bench, { name: `small-${count}`, set: smallSet(count), rounds });
    const what = `${count} small migrations, local`;
    const rows = wallRows(bench, results, { what, target: 'small', against: bench.psql.name });
    const peers = rows.filter(({ contestant }) => bench.peers.some(({ name }) => name === contestant));
    // The aim is to be ahead of the fastest peer of the same run.
    const fastest = Math.min(...peers.map(({ ratio }) => ratio));
    if (peers.length === 0) return rows;
    return rows.map((row) => (row.target === undefined ? row : { ...row, aim: Number(fastest.toFixed(2)) }));
  },
};

/** Small migrations on a server that is 20 ms away. */
export const delayedMigrations = {
  name: 'small migrations, 20 ms away',
  needsPsql: true,
  async run(bench) {
    const count = bench.sizes.delayed;
    const proxy = await startDelayProxy(bench.databases.url, delayMs);
    const measure = async (command) => {
      proxy.takeTurns();
      const { seconds } = await runWell(command);
      return { seconds, turns: proxy.takeTurns() };
    };
    try {
      const results = await applyInRounds(bench, {
        name: `small-${count}`,
        set: smallSet(count),
        rounds: bench.options.rounds,
        measure,
        reach: proxy.through,
      });
      const what = `${count} migrations at ${2 * delayMs} ms`;
      const rows = wallRows(bench, results, { what, target: 'delayedWall', against: bench.psql.name });
      return rows.flatMap((row) => {
        const figure = medianOf(results, row.contestant, 'turns');
        const { target } = row;
        const turns = { contestant: row.contestant, value: `${figure} turns`, figure, unit: 'turns' };
        return [row, { what: `${what}, round trips in all`, ...turns, ...(target && { target: 'delayedTurns' }) }];
      });
    } finally {
      await proxy.close();
    }
  },
};
