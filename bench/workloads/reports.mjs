import { startDelayProxy } from '../delay-proxy.mjs';
import { findPeakMeter } from '../memory.mjs';
import { medianOf, runRounds } from '../rounds.mjs';
import { runWell } from '../run-program.mjs';

/** What operations type, on a database with many tables. */
const commands = ['report sizes', 'report growth', 'report indexes', 'report locks', 'report all', 'doctor'];

/** So many at once: the locks of more do not fit into one transaction of a server as it comes. */
const tablesAtOnce = 1000;

/** Tables with a key, an index and a row, in a database of Pulse's kind but for their number. */
async function fill(bench, database, tables) {
  for (let from = 1; from <= tables; from += tablesAtOnce) {
    const to = Math.min(tables, from + tablesAtOnce - 1);
    await bench.databases.value(
      database,
      `DO $$ BEGIN FOR n IN ${from}..${to} LOOP
  EXECUTE format('CREATE TABLE table_%s (id int PRIMARY KEY, word text); CREATE INDEX ON table_%s (word); INSERT INTO table_%s VALUES (1, ''w'')', n, n, n);
END LOOP; END $$; SELECT 1 AS one`,
    );
  }
}

/** Wall time, peak memory and round trips of each report. */
export const reports = {
  name: 'reports',
  async run(bench) {
    const { pulse, sizes, options } = bench;
    const proxy = await startDelayProxy(bench.databases.url, 0);
    const peakOf = await findPeakMeter();
    try {
      return await bench.withDatabase(async (database) => {
        await fill(bench, database, sizes.tables);
        const place = { directory: await bench.folder(pulse, 'nothing', { list: [] }), url: database.url };
        const of = (verb, url = place.url) => bench.command(pulse, verb, { ...place, url });
        await runWell(of('report record'));
        const contestants = (measure) =>
          commands.map((verb) => ({ key: verb, required: true, run: () => measure(of(verb)) }));
        const times = await runRounds(contestants(runWell), options.rounds, bench.tell);
        const rows = [];
        for (const verb of commands) {
          proxy.takeTurns();
          await runWell(of(verb, proxy.through(place.url)));
          const turns = proxy.takeTurns();
          const figure = medianOf(times, verb, 'seconds');
          const what = `${verb}, ${sizes.tables} tables`;
          rows.push({
            ...{ what, contestant: pulse.name, value: `${figure.toFixed(2)} s in ${turns} turns`, figure, unit: 's' },
            ...(verb === 'report sizes' && { target: 'sizesWall' }),
          });
          if (peakOf === null) continue;
          const peak = await peakOf(of(verb));
          rows.push({ what: `${what}, client memory`, contestant: pulse.name, value: `${peak.toFixed(1)} MiB` });
        }
        return rows;
      });
    } finally {
      await proxy.close();
    }
  },
};
