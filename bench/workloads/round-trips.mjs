import { startDelayProxy } from '../delay-proxy.mjs';
import { Unable } from '../rounds.mjs';
import { runWell } from '../run-program.mjs';
import { delayMs } from '../sizes.mjs';

const looks = 3;

async function turnsOf(bench, proxy, { tool, verb, count }) {
  const { directory, url } = await bench.applied(tool, count);
  const command = bench.command(tool, verb, { directory, url: proxy.through(url) });
  let most = 0;
  for (let look = 0; look < looks; look += 1) {
    proxy.takeTurns();
    await runWell(command);
    most = Math.max(most, proxy.takeTurns());
  }
  return most;
}

/** How often a client waits for the server when there is nothing to do: the most of three runs. */
export const roundTrips = {
  name: 'round trips',
  async run(bench) {
    const { applied, few } = bench.sizes;
    const proxy = await startDelayProxy(bench.databases.url, delayMs);
    const rows = [];
    try {
      for (const verb of ['up', 'status']) {
        const cases = [
          { tool: bench.pulse, count: few },
          ...bench.toolsWith(verb).map((tool) => ({ tool, count: applied })),
        ];
        for (const { tool, count } of cases) {
          try {
            const figure = await turnsOf(bench, proxy, { tool, verb, count });
            rows.push({
              what: `${verb === 'up' ? 'no-op up' : verb}, ${count} applied, round trips`,
              contestant: tool.name,
              value: `${figure} turns`,
              figure,
              unit: 'turns',
              ...(tool === bench.pulse && { target: 'noOpTurns' }),
            });
          } catch (error) {
            if (tool === bench.pulse || !(error instanceof Unable)) throw error;
            bench.tell(`${tool.name} ${verb} is left out: ${error.message}`);
          }
        }
      }
    } finally {
      await proxy.close();
    }
    return rows;
  },
};
