import { findPeakMeter } from '../memory.mjs';
import { medianOf, pairedRatio, runRounds } from '../rounds.mjs';
import { runWell } from '../run-program.mjs';

/** `--version` and `--help` beside Node's own start: wall time, and peak memory above Node's. */
export const start = {
  name: 'start',
  async run(bench) {
    const floor = { contestant: bench.node, verb: 'start', key: bench.node.name };
    const starts = [floor];
    for (const verb of ['version', 'help']) {
      for (const tool of bench.tools) starts.push({ contestant: tool, verb, key: `${tool.name} --${verb}` });
    }
    const contestants = (measure) =>
      starts.map(({ contestant, verb, key }) => ({
        key,
        required: !bench.peers.includes(contestant),
        run: () => measure(bench.command(contestant, verb)),
      }));
    const { startRounds: rounds } = bench.options;
    const times = await runRounds(contestants(runWell), rounds, bench.tell);
    const peakOf = await findPeakMeter();
    const peak = async (command) => ({ peak: await peakOf(command) });
    const memory = peakOf !== null ? await runRounds(contestants(peak), Math.ceil(rounds / 3), bench.tell) : null;
    const rows = [];
    for (const { contestant, verb, key } of starts.filter((one) => one !== floor && times.has(one.key))) {
      const isPulse = contestant === bench.pulse;
      rows.push({
        what: `--${verb}, wall`,
        contestant: contestant.name,
        value: `${(medianOf(times, key, 'seconds') * 1000).toFixed(0)} ms`,
        ratio: pairedRatio(times, key, floor.key, 'seconds'),
        against: floor.key,
        picture: verb === 'version' ? '--version' : undefined,
        ...(isPulse && { target: 'startWall' }),
      });
      if (!memory?.has(key)) continue;
      const peakMiB = medianOf(memory, key, 'peak');
      rows.push({
        what: `--${verb}, peak memory`,
        contestant: contestant.name,
        value: `${peakMiB.toFixed(1)} MiB`,
        figure: peakMiB - medianOf(memory, floor.key, 'peak'),
        unit: '+MiB',
        ...(isPulse && { target: 'startMemory' }),
      });
    }
    return rows;
  },
};
