/**
 * Draws docs/terminal.svg from a real run, in a project of its own with an embedded server: npm run docs:picture.
 * Nothing is edited but the names of the account and of the machine.
 */
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ansiToSvg } from './ansi-to-svg.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const program = join(root, 'bin', 'pulse-migrate.js');
const place = await mkdtemp(join(tmpdir(), 'pulse-migrate-picture-'));
const migrations = join(place, 'migrations');
const env = {
  PATH: process.env.PATH,
  HOME: place,
  XDG_DATA_HOME: join(place, 'data'),
  LANG: 'C.UTF-8',
  FORCE_COLOR: '1',
};

/** Both streams in the order they were written, as a terminal would show them. */
function run(args) {
  return new Promise((resolve, reject) => {
    // One file descriptor for both; the shell is the shortest way to it.
    const child = spawn('sh', ['-c', '"$0" "$@" 2>&1', process.execPath, program, ...args], { cwd: place, env });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

/** One command as it is typed, with what it has to end with. */
async function shown(typed, exitCode, hidden = []) {
  const { code, output } = await run([...typed.split(' '), ...hidden]);
  if (code !== exitCode) throw new Error(`${typed} ended with ${code}, not ${exitCode}:\n${output}`);
  return `\u001b[90m$\u001b[39m \u001b[1mnpx pulse-migrate ${typed}\u001b[22m\n${output}`;
}

const wrong = '-- The budget of a year, in cents.\nALTER TABLE team ADD COLUMN budget_cents bigint;\n';

try {
  await mkdir(env.XDG_DATA_HOME);
  await cp(join(root, 'migrations', '0001_initial_schema.up.sql'), join(migrations, '0001_initial_schema.up.sql'));
  await cp(join(root, 'migrations', '0001_initial_schema.down.sql'), join(migrations, '0001_initial_schema.down.sql'));
  await writeFile(join(place, '.pulsemigraterc'), 'database: embedded\nbackup:\n  policy: skip\n');
  const scenes = [await shown('up', 0)];
  scenes.push(await shown('new add_team_budget', 0));
  await writeFile(join(migrations, '0002_add_team_budget.up.sql'), wrong);
  await writeFile(join(migrations, '0002_add_team_budget.down.sql'), 'ALTER TABLE teams DROP COLUMN budget_cents;\n');
  scenes.push(await shown('up', 5));
  await writeFile(join(migrations, '0002_add_team_budget.up.sql'), wrong.replace('team ', 'teams '));
  scenes.push(await shown('up', 0), await shown('status', 0), await shown('down', 8));
  const account = `${userInfo().username}@${hostname()}`;
  const text = scenes.join('\n').replaceAll(account, 'anna@laptop');
  await writeFile(join(root, 'docs', 'terminal.svg'), ansiToSvg(text, { title: 'pulse-migrate in a terminal' }));
} finally {
  await run(['embedded', 'reset']);
  await rm(place, { recursive: true, force: true });
}
