import type { Command } from 'commander';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { openSettings } from '../open.ts';
import type { Outcome } from '../outcome.ts';

export function registerNew(program: Command, addAction: AddAction): void {
  const command = program
    .command('new <name>')
    .summary('create the two files of a migration')
    .description("Creates an up and a down file with the next version, in the folder's own style of numbers.");
  examples(command, [
    ['pulse-migrate new add_team_budget', 'migrations/0002_add_team_budget.up.sql and .down.sql'],
    ['pulse-migrate new "add team budget"', 'the same'],
  ]);
  addAction(command, runNew);
}

async function runNew(invocation: Invocation, [name = '']: readonly string[]): Promise<Outcome> {
  const settings = await openSettings(invocation);
  const [{ planNewPair, writeNewPair }, { listVersions }] = await Promise.all([
    import('../../migrations/new-pair.ts'),
    import('../../migrations/read-directory.ts'),
  ]);
  const folder = { directory: settings.directory, shown: settings.directoryShown };
  const pair = planNewPair(
    { versions: await listVersions(folder.directory, folder.shown) },
    name,
    invocation.runtime.now(),
  );
  await writeNewPair(folder, pair);
  const up = `${folder.shown}/${pair.up.fileName}`;
  const down = `${folder.shown}/${pair.down.fileName}`;
  return { result: { version: pair.version, name: pair.name, up, down }, text: `${up}\n${down}\n` };
}
