import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { singleSet } from '../migration-sets.mjs';
import { runWell } from '../run-program.mjs';
import { applyInRounds, wallRows } from './apply-workload.mjs';

/** The first schema of a real application, in one file. */
export const firstSchema = {
  name: 'first schema',
  needsPsql: true,
  async run(bench) {
    const [up, down] = await Promise.all(
      ['up', 'down'].map((side) => readFile(join(bench.root, 'migrations', `0001_initial_schema.${side}.sql`), 'utf8')),
    );
    const set = singleSet({
      name: 'initial_schema',
      up,
      down,
      check:
        "SELECT (count(*) > 0)::integer FROM pg_catalog.pg_tables WHERE schemaname = 'public' AND tablename = 'job_state'",
      expected: 1,
    });
    const node = { key: bench.node.name, required: true, run: () => runWell(bench.command(bench.node, 'start')) };
    const results = await applyInRounds(bench, {
      name: 'first-schema',
      set,
      rounds: bench.options.startRounds,
      others: [node],
    });
    return wallRows(bench, results, {
      what: 'first schema of Pulse (0001)',
      target: 'firstSchema',
      against: [bench.psql.name, node.key],
    });
  },
};
