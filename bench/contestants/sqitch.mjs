import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { digits } from './file-names.mjs';

/** sqitch, where it is installed: it does not come by npm. Null when it is not in PATH. */
export async function findSqitch() {
  const answer = await promisify(execFile)('sqitch', ['--version']).catch(() => null);
  if (answer === null) return null;
  return {
    name: 'sqitch',
    version: /\d+(\.\d+)*/.exec(answer.stdout.replace(/^.*\(.*?\)/, ''))?.[0] ?? answer.stdout.trim(),
    async write(directory, list) {
      await mkdir(join(directory, 'deploy'), { recursive: true });
      await writeFile(join(directory, 'sqitch.conf'), '[core]\n\tengine = pg\n');
      const lines = ['%syntax-version=1.0.0', '%project=bench', ''];
      for (const { number, name, up } of list) {
        const change = `m${digits(number)}_${name}`;
        lines.push(`${change} 2026-01-01T00:00:00Z Bench <bench@example.com> # ${name}`);
        await writeFile(join(directory, 'deploy', `${change}.sql`), `BEGIN;\n${up}COMMIT;\n`);
      }
      await writeFile(join(directory, 'sqitch.plan'), `${lines.join('\n')}\n`);
    },
    command(verb, { url }) {
      const args = { version: ['--version'], help: ['--help'], up: ['deploy'], status: ['status'] }[verb];
      const target = url === undefined ? [] : [url.replace(/^postgres(ql)?:/, 'db:pg:')];
      const env = { SQITCH_FULLNAME: 'Bench', SQITCH_EMAIL: 'bench@example.com' };
      return { file: 'sqitch', args: [...args, ...target], env };
    },
  };
}
