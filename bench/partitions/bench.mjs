/**
 * What partitions cost, by the protocol of the experiments, in ratios to floors of the same run:
 * npm run bench -- partitions. Ends with 1 when a target that must be reached is missed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { installPulse } from '../contestants/pulse-migrate.mjs';
import { openDatabases } from '../databases.mjs';
import { runWithMemory } from '../memory.mjs';
import { commitOf, load, machine } from '../report/machine.mjs';
import { median } from '../rounds.mjs';
import { environmentIn, runToEnd, runWell, timesOf } from '../run-program.mjs';
import { givenServer, startServer } from '../server.mjs';
import { differences, percentile, startClients, watchLocks } from './clients.mjs';
import { connected, execute, floorCopy, floorIndexes, floorTable, tableOf } from './table.mjs';

const root = resolve(import.meta.dirname, '../..');

const usage = `npm run bench -- partitions [options]

  --rows <n>      of the table that is converted (1000000; the targets are those of 5000000)
  --rounds <n>    of what is compared with a floor (3)
  --rate <n>      transactions a second of the clients (100)
  --seconds <n>   of clients alone before and behind a conversion (20)
  --write         write docs/benchmark-partitions.md
  --no-build      take dist as it is
  --help

PULSE_BENCH_URL names a server of which the bench is a superuser; else it starts a PostgreSQL 15 of its own, below
/dev/shm where there is one. pgbench and psql in PATH.`;

function readOptions(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      rows: { type: 'string', default: '1000000' },
      rounds: { type: 'string', default: '3' },
      rate: { type: 'string', default: '100' },
      seconds: { type: 'string', default: '20' },
      write: { type: 'boolean', default: false },
      'no-build': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const number = (name) => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`--${name} takes a number from 1 on, not ${values[name]}`);
    return value;
  };
  return {
    ...values,
    rows: number('rows'),
    rounds: number('rounds'),
    rate: number('rate'),
    seconds: number('seconds'),
  };
}

const secondsOf = async (work) => {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
};

/** What every measurement works with. */
function toolsOf({ pulse, workDirectory, template, databases }) {
  const env = (url) => ({ ...environmentIn(workDirectory), DATABASE_URL: url });
  const command = (url, ...args) => {
    const { file, args: own } = pulse.command('version');
    return { file, args: [own[0], ...args], cwd: workDirectory, workDirectory, env: env(url) };
  };
  return {
    ...{ workDirectory, databases, command },
    /** Work with a copy of the table. */
    async withTable(work) {
      const database = await databases.create();
      try {
        await execute(databases.url, `DROP DATABASE "${database.name}"`);
        await execute(databases.url, `CREATE DATABASE "${database.name}" TEMPLATE "${template}" STRATEGY file_copy`);
        await execute(databases.url, 'CHECKPOINT');
        return await work(database);
      } finally {
        await databases.drop(database);
      }
    },
    convert: (url, ...more) =>
      command(
        url,
        'partition',
        'convert',
        'commits',
        '--by',
        'committed_at',
        '--unique',
        'widen',
        '--retain',
        '0s',
        ...more,
      ),
  };
}

/** The milliseconds that a conversion says it held the locks of its exchange. */
function swapMs(output) {
  const found = /the exchange of the tables held its locks for ([\d.]+) (ms|s)\b/.exec(output);
  if (found === null) throw new Error(`the conversion says nothing of its exchange:\n${output}`);
  return Number(found[1]) * (found[2] === 's' ? 1000 : 1);
}

async function floor({ withTable }) {
  return withTable(async ({ url }) => {
    await execute(url, floorTable);
    const copy = await secondsOf(() => execute(url, floorCopy));
    const indexes = await secondsOf(() => execute(url, floorIndexes));
    return { copy, all: copy + indexes };
  });
}

/** Conversions without clients, each between two floors: throughput of the copy, the whole, and the locks of the exchange. */
async function copies(tools, { rounds, rows }, tell) {
  const results = [];
  for (let round = 0; round < rounds; round += 1) {
    const before = await floor(tools);
    const ours = await tools.withTable(async (database) => {
      const { output, seconds } = await runWell(tools.convert(database.url, '--duty', '1'));
      const [{ ms }] = await connected(database.url, (sql) =>
        sql.unsafe('SELECT copy_ms AS ms FROM pulse_migrate.partition_conversion'),
      );
      return { copy: Number(ms) / 1000, all: seconds, swap: swapMs(output) };
    });
    const after = await floor(tools);
    const mean = { copy: (before.copy + after.copy) / 2, all: (before.all + after.all) / 2 };
    tell(
      `round ${round + 1}: copy ${ours.copy.toFixed(1)} s (floor ${before.copy.toFixed(1)}, ${after.copy.toFixed(1)}), all ${ours.all.toFixed(1)} s (floor ${before.all.toFixed(1)}, ${after.all.toFixed(1)}), exchange ${ours.swap} ms`,
    );
    results.push({ ...ours, copyRatio: mean.copy / ours.copy, allRatio: ours.all / mean.all });
  }
  const of = (figure) => results.map((result) => result[figure]);
  return [
    { what: 'copy, rows a second', value: Math.round(rows / median(of('copy'))), unit: '/s' },
    {
      what: 'copy against one INSERT … SELECT without indexes',
      value: median(of('copyRatio')),
      unit: 'x',
      least: 0.85,
    },
    { what: 'the whole against the same and its indexes', value: median(of('allRatio')), unit: 'x', most: 1.25 },
    { what: 'locks of the exchange, longest of the rounds', value: Math.max(...of('swap')), unit: 'ms', most: 100 },
  ];
}

/** What clients notice of a command, and what they find in the table by their own record. */
async function underClients(tools, { rate, seconds, rows }, tell, { name, before = () => {}, run, behind = () => [] }) {
  return tools.withTable(async (database) => {
    await before(database);
    const clients = await startClients(join(tools.workDirectory, 'clients'), database.url, rate);
    const began = Date.now() + 2000;
    await sleep(2000 + seconds * 1000);
    const watch = watchLocks(database.url, ['AccessExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock']);
    const from = Date.now();
    const { clientMiB } = await runWithMemory(run(database), {
      postmaster: null,
      database: database.name,
    });
    const to = Date.now();
    const held = await watch.stop();
    await sleep(seconds * 1000);
    const { latencies, failed } = await clients.stop();
    const p99 = [percentile(latencies, 0.99, began, from), percentile(latencies, 0.99, from, to)];
    const slowest = percentile(latencies, 1, from, to);
    tell(
      `${name} beside clients: ${((to - from) / 1000).toFixed(1)} s, p99 ${p99.map((ms) => ms.toFixed(1)).join(' and then ')} ms, slowest ${slowest.toFixed(0)} ms`,
    );
    const more = await behind(database);
    const figures = [
      { what: 'seconds from beginning to end', value: (to - from) / 1000, unit: 's' },
      { what: 'rows lost, doubled or different', value: await differences(database.url, rows), unit: 'rows', most: 0 },
      { what: 'transactions of clients that failed', value: failed, unit: 'failed', most: 0 },
      { what: 'p99 of clients during it against before', value: p99[1] / p99[0], unit: 'x', most: 2 },
      { what: 'slowest statement of a client during it', value: slowest, unit: 'ms' },
      { what: 'longest lock on the table, as seen from outside', value: held, unit: 'ms', most: 150 },
      { what: 'memory of the program', value: clientMiB, unit: 'MiB', most: 150 },
    ];
    return [...figures.map((figure) => ({ ...figure, what: `${name}: ${figure.what}` })), ...more];
  });
}

/** Three partitions made; the lock each of them takes on the table. */
async function createNext({ command }, { url }) {
  const watch = watchLocks(url, ['AccessExclusiveLock', 'ShareUpdateExclusiveLock']);
  await runWell(command(url, 'partition', 'create-next', 'commits', '--lead', '12'));
  return [{ what: 'lock of create-next, longest', value: await watch.stop(), unit: 'ms', most: 20 }];
}

/** The largest partition to a directory and read back, against COPY through gzip. */
async function archive({ command, workDirectory }, { url }) {
  const [{ name }] = await connected(url, (sql) =>
    sql.unsafe(`SELECT c.relname AS name FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'commits'::regclass AND c.oid <> (SELECT partdefid FROM pg_partitioned_table WHERE partrelid = 'commits'::regclass)
ORDER BY pg_total_relation_size(c.oid) DESC LIMIT 1`),
  );
  const to = join(workDirectory, 'archive');
  await mkdir(to, { recursive: true });
  const env = environmentIn(workDirectory);
  const copy = ['-c', `psql -X -c 'COPY ${name} TO STDOUT (FORMAT csv, HEADER)' '${url}' | gzip -6 > floor.gz`];
  const ratios = [];
  for (let round = 0; round < 3; round += 1) {
    const floorTimes = await timesOf({ file: 'bash', args: copy, cwd: workDirectory, workDirectory, env });
    const ours = await runToEnd(command(url, 'partition', 'archive', 'commits', name, '--to', to));
    if (ours.exitCode !== 0) throw new Error(ours.output);
    ratios.push(floorTimes.seconds / ours.seconds);
    await execute(url, 'DELETE FROM pulse_migrate.archive');
  }
  return [
    { what: 'archive with reading back against COPY through gzip', value: median(ratios), unit: 'x', least: 0.8 },
  ];
}

/** What the capture costs a large INSERT, and how fast its log is replayed: on a conversion that was stopped. */
async function capture(tools, { rows, rounds }, tell) {
  return tools.withTable(async ({ url }) => {
    const bulk = Math.max(1000, Math.round(rows / 50));
    await stopBeforeExchange(tools, url);
    const pairs = [];
    for (let round = 0; round < Math.max(5, rounds); round += 1) {
      // Each kind goes first as often as the other, and nothing of it stays: indexes grow alike.
      const seconds = { with: 0, without: 0 };
      for (const kind of round % 2 === 0 ? ['with', 'without'] : ['without', 'with'])
        seconds[kind] = await insertTaken(url, `${kind}${round}`, bulk, kind === 'without');
      pairs.push(seconds);
    }
    await execute(
      url,
      `UPDATE commits SET additions = additions + 1 WHERE id IN (SELECT id FROM commits LIMIT ${bulk})`,
    );
    const rate = await replayed(url, () =>
      runWell(tools.command(url, 'partition', 'resume', 'commits', '--duty', '1')),
    );
    const taken = (kind) => median(pairs.map((pair) => pair[kind])).toFixed(2);
    tell(`bulk INSERT of ${bulk} rows: ${taken('without')} s, with the capture ${taken('with')} s`);
    const ratio = median(pairs.map((pair) => pair.with / pair.without));
    return [
      { what: 'a large INSERT with the capture against without', value: ratio, unit: 'x', most: 1.1 },
      { what: 'replay, keys a second', value: rate, unit: '/s', least: 4000 },
    ];
  });
}

/** Seconds of one INSERT that is rolled back, with the triggers of the capture on the table as they are, or none. */
async function insertTaken(url, mark, rows, isBare) {
  return connected(url, async (sql) => {
    await sql.unsafe(
      `BEGIN; ${isBare ? ['insert', 'update', 'delete'].map((what) => `DROP TRIGGER pulse_migrate_${what} ON commits;`).join(' ') : ''}`,
    );
    const seconds = await secondsOf(() =>
      sql.unsafe(`INSERT INTO commits (repo_id, sha, committed_at)
SELECT i % 2000, md5('${mark}' || i), now() - i % 900 * interval '1 day' FROM generate_series(1, ${rows}) AS i`),
    );
    await sql.unsafe('ROLLBACK');
    return seconds;
  });
}

/** Begins a conversion and kills it while its triggers are on the table; somebody who reads keeps the exchange away. */
async function stopBeforeExchange(tools, url) {
  await connected(url, async (reader) => {
    // It does not stand against the beginning of the capture.
    await reader.unsafe('BEGIN; SELECT FROM commits LIMIT 1');
    const { file, args, cwd, env } = tools.convert(url, '--duty', '0.02');
    const child = spawn(file, args, { cwd, env, stdio: 'ignore' });
    const end = once(child, 'exit');
    for (let phase = null; !['copying', 'indexing', 'replaying'].includes(phase); ) {
      if (child.exitCode !== null) throw new Error(`the conversion ended with ${child.exitCode}`);
      await sleep(50);
      phase = await phaseNow(url);
    }
    child.kill('SIGKILL');
    await end;
    await reader.unsafe('ROLLBACK');
  });
}

async function phaseNow(url) {
  return connected(url, async (sql) => {
    const [{ there }] = await sql.unsafe(
      "SELECT to_regclass('pulse_migrate.partition_conversion') IS NOT NULL AS there",
    );
    if (!there) return null;
    return (await sql.unsafe('SELECT phase FROM pulse_migrate.partition_conversion'))[0]?.phase ?? null;
  });
}

/** Entries of the log that go in a second while `work` replays them. */
async function replayed(url, work) {
  let isDone = false;
  const seen = [];
  const watching = connected(url, async (sql) => {
    while (!isDone) {
      const [row] = await sql.unsafe(
        `SELECT phase, (SELECT count(*) FROM pulse_migrate.conversion_1_log) AS entries FROM pulse_migrate.partition_conversion`,
      );
      if (row.phase === 'replaying') seen.push({ entries: Number(row.entries), at: performance.now() });
      await sleep(50);
    }
  }).catch(() => undefined);
  await work();
  isDone = true;
  await watching;
  const end = seen.findIndex(({ entries }) => entries <= 200);
  const [first, last] = [seen[0], seen[end < 0 ? seen.length - 1 : end]];
  return first === undefined || last === first
    ? Number.NaN
    : ((first.entries - last.entries) * 1000) / (last.at - first.at);
}

const shown = ({ value, unit }) => {
  const digits = unit === 'x' ? 2 : unit === 'ms' || unit === 'MiB' ? 1 : 0;
  return `${value.toFixed(digits)} ${unit}`;
};

function verdict({ value, least, most }) {
  if (least === undefined && most === undefined) return '';
  if (Number.isNaN(value)) return 'not seen';
  return value >= (least ?? value) && value <= (most ?? value) ? 'held' : 'MISSED';
}

function pageOf(figures, { rows, rounds, rate }, { commit, version, loadBefore }) {
  const { cpu, cores, memoryGiB, kernel } = machine();
  const wanted = ({ least, most, unit }) =>
    least !== undefined ? `at least ${least} ${unit}` : most !== undefined ? `at most ${most} ${unit}` : '';
  return `# Partitions, measured

Written by \`npm run bench -- partitions --write\`; do not edit.

- ${new Date().toISOString().slice(0, 16).replace('T', ' ')}, commit ${commit}; ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel}
- PostgreSQL ${version}; load average before ${loadBefore.join(' ')}, after ${load().join(' ')}
- ${rows} rows in some 40 months, seven indexes; ${rounds} rounds beside floors; six clients with ${rate} transactions a second

| what | seen | target | |
|---|---|---|---|
${figures.map((figure) => `| ${figure.what} | ${shown(figure)} | ${wanted(figure)} | ${verdict(figure)} |`).join('\n')}
`;
}

/** The exit code: 0, 1 when a target is missed, 2 for a command line that cannot be followed. */
export async function benchPartitions(argv) {
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
  const loadBefore = load();
  const workDirectory = await mkdtemp(join(await stat('/dev/shm').then(() => '/dev/shm', tmpdir), 'pulse-bench-'));
  const closers = [() => rm(workDirectory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })];
  const tell = (note) => console.error(note);
  try {
    await chmod(workDirectory, 0o755);
    const pulse = await installPulse({ root, workDirectory, build: !options['no-build'] });
    const given = process.env.PULSE_BENCH_URL;
    const server = given ? givenServer(given) : await startServer(workDirectory);
    closers.push(server.close);
    const databases = await openDatabases(server.url);
    closers.push(databases.close);
    const template = await databases.create();
    for (const statement of tableOf(options.rows).split(';\n')) await execute(template.url, statement);
    const tools = toolsOf({ pulse, workDirectory, databases, template: template.name });
    const figures = [
      ...(await copies(tools, options, tell)),
      ...(await capture(tools, options, tell)),
      ...(await underClients(tools, options, tell, {
        name: 'copy',
        run: ({ url }) => tools.convert(url),
        behind: async (database) => [...(await createNext(tools, database)), ...(await archive(tools, database))],
      })),
      ...(await underClients(tools, options, tell, {
        name: 'attach',
        run: ({ url }) => tools.convert(url, '--strategy', 'attach'),
      })),
      ...(await underClients(tools, options, tell, {
        name: 'split behind attach',
        before: async ({ url }) => {
          await runWell(tools.convert(url, '--strategy', 'attach'));
          await runWell(tools.command(url, 'partition', 'finish', 'commits', '--i-know'));
        },
        run: ({ url }) => tools.command(url, 'partition', 'split', 'commits_history', '--retain', '0s'),
      })),
    ];
    const page = pageOf(figures, options, { commit: await commitOf(root), version: databases.version, loadBefore });
    console.log(page);
    if (options.write) await writeFile(join(root, 'docs', 'benchmark-partitions.md'), page);
    return figures.some((figure) => verdict(figure) === 'MISSED') ? 1 : 0;
  } finally {
    for (const close of closers.reverse()) await close().catch((error) => console.error(String(error)));
  }
}
