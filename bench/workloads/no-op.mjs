import { bareClient } from '../contestants/bare-client.mjs';
import { medianOf, pairedRatio, runRounds } from '../rounds.mjs';
import { timesOf } from '../run-program.mjs';

const verbs = ['up', 'status'];

/** A command on a database where everything is applied. */
function commandOn(bench, contestant, verb, count) {
  const key = `${contestant.name} ${verb} ${count}`;
  return {
    key,
    required: contestant === bench.pulse,
    run: async () => timesOf(bench.command(contestant, verb, await bench.applied(contestant, count))),
  };
}

/** What no client of this kind can go below, on what the program under test has applied. */
function bareOn(bench, count) {
  return {
    key: `${bareClient.name} ${count}`,
    required: true,
    run: async () => timesOf(bench.command(bareClient, 'up', await bench.applied(bench.pulse, count))),
  };
}

/** `up` with nothing to do and `status`: the client's CPU time beside Node's own start, and how it grows. */
export const noOp = {
  name: 'no-op',
  async run(bench) {
    const { applied, many, few } = bench.sizes;
    const floor = bench.node.name;
    const contestants = [{ key: floor, required: true, run: () => timesOf(bench.command(bench.node, 'start')) }];
    for (const count of [few, applied, many]) contestants.push(bareOn(bench, count));
    for (const verb of verbs) {
      for (const tool of bench.toolsWith(verb)) contestants.push(commandOn(bench, tool, verb, applied));
      for (const count of [few, many]) contestants.push(commandOn(bench, bench.pulse, verb, count));
    }
    const results = await runRounds(contestants, bench.options.startRounds, bench.tell);
    const value = (key) => {
      const [cpu, wall] = ['cpu', 'seconds'].map((figure) => (medianOf(results, key, figure) * 1000).toFixed(0));
      return `${cpu} ms CPU, ${wall} ms wall`;
    };
    const bare = (count) => `${bareClient.name} ${count}`;
    return verbs.flatMap((verb) => [
      {
        what: `${verb === 'up' ? 'no-op up' : verb}, ${applied} applied, client CPU`,
        contestant: bareClient.name,
        value: value(bare(applied)),
        ratio: pairedRatio(results, bare(applied), floor, 'cpu'),
        against: floor,
      },
      ...bench.tools
        .map((tool) => ({ tool, key: `${tool.name} ${verb} ${applied}` }))
        .filter(({ key }) => results.has(key))
        .map(({ tool, key }) => ({
          what: `${verb === 'up' ? 'no-op up' : verb}, ${applied} applied, client CPU`,
          contestant: tool.name,
          value: value(key),
          ratio: pairedRatio(results, key, floor, 'cpu'),
          against: floor,
          picture: verb === 'up' ? 'no-op up, client CPU' : undefined,
          ...(tool === bench.pulse && { target: 'noOpCpu' }),
        })),
      {
        what: `${verb === 'up' ? 'no-op up' : verb}, ${many} applied against ${few}`,
        contestant: bareClient.name,
        value: value(bare(many)),
        ratio: pairedRatio(results, bare(many), bare(few), 'cpu'),
        against: `${few} applied`,
      },
      {
        what: `${verb === 'up' ? 'no-op up' : verb}, ${many} applied against ${few}`,
        contestant: bench.pulse.name,
        value: value(`${bench.pulse.name} ${verb} ${many}`),
        ratio: pairedRatio(results, `${bench.pulse.name} ${verb} ${many}`, `${bench.pulse.name} ${verb} ${few}`, 'cpu'),
        against: `${few} applied`,
        target: 'noOpGrowth',
      },
    ]);
  },
};
