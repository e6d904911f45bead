import { parseArgs } from 'node:util';

export const usage = `npm run bench -- [options]
npm run bench -- partitions [--help]   what partitions cost, and their clients

  --quick            everything small, one round: a smoke test that judges nothing
  --rounds <n>       counted rounds of each workload (5; starts and no-ops take three times as many)
  --only <words>     only workloads whose name holds these words
  --peers            also dbmate, node-pg-migrate, graphile-migrate and postgrator, installed into bench/peers,
                     and sqitch when it is in PATH
  --write            write docs/benchmark.md and docs/benchmark.svg
  --json <file>      write all figures as JSON
  --no-build         take dist as it is
  --help

PULSE_BENCH_URL names a server of which the bench is a superuser; else it starts a PostgreSQL 15 of its own.`;

/** What the command line asks for. @throws {Error} When it asks for something that does not exist or does not fit. */
export function readOptions(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string', default: '' },
      peers: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      json: { type: 'string' },
      'no-build': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds takes a number from 1 on, not ${values.rounds}`);
  if (values.write && (values.quick || values.only !== '')) {
    throw new Error('--write takes all workloads at their full size: leave --quick and --only out');
  }
  return { ...values, build: !values['no-build'], rounds, startRounds: values.quick ? rounds : rounds * 3 };
}
