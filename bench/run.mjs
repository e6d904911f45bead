/**
 * Measures the built program against psql and, with --peers, against other tools: npm run bench -- [options].
 * Ends with 1 when a target that must be reached is missed.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { node } from './contestants/node.mjs';
import { findPsql } from './contestants/psql.mjs';
import { installPulse } from './contestants/pulse-migrate.mjs';
import { openContext } from './context.mjs';
import { openDatabases } from './databases.mjs';
import { readOptions, usage } from './options.mjs';
import { benchPartitions } from './partitions/bench.mjs';
import { openPeers } from './peers.mjs';
import { judged } from './report/judge.mjs';
import { commitOf, load, machine } from './report/machine.mjs';
import { circumstancesOf, pageOf, tableOf } from './report/markdown.mjs';
import { pictureOf } from './report/picture.mjs';
import { givenServer, startServer } from './server.mjs';
import { sizesOf } from './sizes.mjs';
import { workloads } from './workloads/all.mjs';

const root = resolve(import.meta.dirname, '..');

/** Memory where the system offers it as a file system: the disk would be measured otherwise. */
function parentOfWork() {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
}

/** Everything that was opened is closed again, the last first, also when the bench is interrupted. */
function openClosers() {
  const closers = [];
  let closed;
  const closeAll = async () => {
    for (const close of closers.reverse()) await close().catch((error) => console.error(String(error)));
  };
  const closeOnce = () => {
    closed ??= closeAll();
    return closed;
  };
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => void closeOnce().then(() => process.exit(130)));
  }
  return { add: (close) => closers.push(close), closeAll: closeOnce };
}

/** The rows of all workloads, and the names of those in which the program under test or the floor failed. */
async function runWorkloads(context, asked) {
  const [rows, failed] = [[], []];
  for (const workload of asked) {
    const tell = (note) => context.tell(`${workload.name}: ${note}`);
    if (workload.needsPsql && context.psql === null) {
      tell('left out, as there is no psql in PATH');
      continue;
    }
    const began = performance.now();
    try {
      rows.push(...(await workload.run({ ...context, tell })));
    } catch (error) {
      console.error(error);
      tell(`FAILED: ${error.message.split('\n')[0]}`);
      failed.push(workload.name);
    }
    console.error(`${workload.name}: ${((performance.now() - began) / 1000).toFixed(0)} s`);
  }
  return { rows, failed };
}

async function measure(options, asked, closers) {
  const notes = [];
  const tell = (note) => {
    notes.push(note);
    console.error(note);
  };
  const before = load();
  const workDirectory = await mkdtemp(join(parentOfWork(), 'pulse-bench-'));
  closers.add(() => rm(workDirectory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  await chmod(workDirectory, 0o755);
  const pulse = await installPulse({ root, workDirectory, build: options.build });
  const psql = await findPsql();
  const peers = options.peers ? await openPeers(join(root, 'bench', 'peers'), tell) : [];
  const given = process.env.PULSE_BENCH_URL;
  const server = given ? givenServer(given) : await startServer(workDirectory);
  closers.add(server.close);
  const databases = await openDatabases(server.url);
  closers.add(databases.close);
  const contestants = { node, pulse, psql, peers };
  const sizes = sizesOf(options);
  const context = openContext({ root, workDirectory, databases, contestants, sizes, options, tell });
  const { rows, failed } = await runWorkloads(context, asked);
  const commit = await commitOf(root);
  const report = {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    commit,
    machine: machine(),
    load: { before, after: load() },
    versions: {
      postgres: databases.version,
      contestants: [node, psql, pulse, ...peers]
        .filter((one) => one !== null)
        .map(
          ({ name, version }) =>
            `${name.split(' ')[0]} ${version}${name === pulse.name && commit !== null ? ` (${commit})` : ''}`,
        ),
    },
    server: server.origin,
    peers: options.peers,
    failed,
    rounds: options.rounds,
    startRounds: options.startRounds,
    notes: options.quick ? ['small sizes: nothing is judged', ...notes] : notes,
  };
  return { report, rows: judged(rows, options) };
}

async function write({ report, rows }, options) {
  console.log(`${circumstancesOf(report)}\n\n${tableOf(rows)}`);
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify({ ...report, sizes: sizesOf(options), rows }, null, 2)}\n`);
  }
  if (!options.write) return;
  await writeFile(join(root, 'docs', 'benchmark.md'), pageOf(report, rows));
  await writeFile(join(root, 'docs', 'benchmark.svg'), pictureOf(rows));
}

/** The exit code: 0, 1 when a target is missed, 2 for a command line that cannot be followed. */
async function main(argv) {
  if (argv[0] === 'partitions') return benchPartitions(argv.slice(1));
  let options;
  try {
    options = readOptions(argv);
  } catch (error) {
    console.error(`${error.message}\n\n${usage}`);
    return 2;
  }
  if (options.help) {
    console.log(usage);
    return 0;
  }
  const asked = workloads.filter(({ name }) => name.includes(options.only));
  if (asked.length === 0) {
    console.error(`no workload is called "${options.only}": ${workloads.map(({ name }) => name).join('; ')}`);
    return 2;
  }
  const closers = openClosers();
  try {
    const result = await measure(options, asked, closers);
    await write(result, options);
    const missed = result.rows.filter(({ verdict }) => verdict === 'MISSED');
    for (const { what, figure, unit, must } of missed)
      console.error(`MISSED: ${what}: ${figure.toFixed(2)} ${unit}, must ${must}`);
    return missed.length + result.report.failed.length === 0 ? 0 : 1;
  } finally {
    await closers.closeAll();
  }
}

process.exitCode = await main(process.argv.slice(2));
