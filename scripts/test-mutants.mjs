// Takes one safety mechanism out at a time and demands that the tests notice: node scripts/test-mutants.mjs [words]
// With words, only mutants whose name holds them. PULSE_MUTANTS_LANES is how many are tried at once, 2 by default.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { mutants } from './mutants.mjs';

const root = resolve(import.meta.dirname, '..');
const lanes = Number(process.env.PULSE_MUTANTS_LANES ?? '2');
/** A run that hangs has noticed, too. */
const limitMs = 300_000;

const words = process.argv.slice(2).join(' ');
const asked = mutants.filter(({ without }) => without.includes(words));
const misfits = asked.filter(({ file, from }) => readFileSync(join(root, file), 'utf8').split(from).length !== 2);
if (asked.length === 0 || misfits.length > 0) {
  for (const { without, file } of misfits)
    console.error(`${file} does not hold exactly once what is to go: ${without}`);
  if (asked.length === 0) console.error(`no mutant is called "${words}"`);
  process.exit(2);
}

/** The work tree as it is now, committed or not, without what npm has installed. */
function copyOfTree() {
  const directory = mkdtempSync(join(tmpdir(), 'pulse-mutants-'));
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root });
  for (const name of new Set(list.toString().split('\0'))) {
    if (name !== '') cpSync(join(root, name), join(directory, name), { recursive: true, force: true });
  }
  for (const installed of ['node_modules', 'test/servers/node_modules']) {
    symlinkSync(join(root, installed), join(directory, installed));
  }
  return directory;
}

/** Whether the tests fail, how, and after how many seconds. */
function runTests(directory, { project, files }) {
  const began = performance.now();
  const args = ['vitest', 'run', '--project', project, '--bail=1', '--testTimeout=60000', '--reporter=dot', ...files];
  const child = spawn('npx', args, {
    cwd: directory,
    // A group of its own, which can be ended with all that it has started.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  let hung = false;
  const deadline = setTimeout(() => {
    hung = true;
    process.kill(-child.pid, 'SIGKILL');
  }, limitMs);
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (code) => {
      clearTimeout(deadline);
      const ran = /Tests .*\d+ (passed|failed)/.test(output);
      done({ passed: code === 0, ran: ran || hung, hung, output, seconds: (performance.now() - began) / 1000 });
    });
  });
}

async function tryMutant(directory, { file, from, to, noticedBy }) {
  const path = join(directory, file);
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text.replace(from, () => to),
  );
  try {
    return await runTests(directory, noticedBy);
  } finally {
    writeFileSync(path, text);
  }
}

/** Unless they pass with everything in place, their failure proves nothing. */
async function checkTests(directory) {
  for (const project of new Set(asked.map(({ noticedBy }) => noticedBy.project))) {
    const files = asked.filter(({ noticedBy }) => noticedBy.project === project).flatMap((m) => m.noticedBy.files);
    const { passed, output, seconds } = await runTests(directory, { project, files: [...new Set(files)] });
    console.log(`${project}: the tests ${passed ? 'pass' : 'FAIL'} with everything in place, ${seconds.toFixed(0)} s`);
    if (!passed) throw new Error(output.slice(-4000));
  }
}

const directories = Array.from({ length: Math.min(lanes, asked.length) }, copyOfTree);
try {
  await checkTests(directories[0]);
  const waiting = [...asked];
  const rows = [];
  const lane = async (directory) => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const { passed, ran, hung, output, seconds } = await tryMutant(directory, mutant);
      const verdict = passed ? 'SURVIVED' : !ran ? 'DID NOT RUN' : hung ? 'hung' : 'noticed';
      const by = /FAIL\s+.*?(\S+\.test\.ts)/.exec(output.replaceAll(/\u001b\[[\d;]*m/g, ''))?.[1] ?? '';
      rows.push({ verdict, without: mutant.without, by, seconds });
      console.log(`${verdict.padEnd(11)}  ${seconds.toFixed(0).padStart(4)} s  ${mutant.without}  ${by}`);
      if (!ran) console.log(output.slice(-2000));
    }
  };
  await Promise.all(directories.map(lane));
  const bad = rows.filter(({ verdict }) => verdict === 'SURVIVED' || verdict === 'DID NOT RUN');
  console.log(`${rows.length} mutants, ${rows.length - bad.length} noticed, ${bad.length} not`);
  process.exitCode = bad.length === 0 ? 0 : 1;
} finally {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
}
