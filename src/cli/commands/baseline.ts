import type { Command } from 'commander';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { openFolder, openSession, openSettings, runnerDeps } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { count } from '../render/format.ts';

export function registerBaseline(program: Command, addAction: AddAction): void {
  const command = program
    .command('baseline <version>')
    .summary('adopt a database that has the objects already')
    .description('Records every migration up to a version as applied, without running any of them.')
    .option('--plan', 'print what would be recorded, and record nothing');
  examples(command, [
    ['pulse-migrate baseline 0001 --plan', 'what would be recorded'],
    ['pulse-migrate baseline 0001', 'the database has what 0001 creates'],
  ]);
  addAction(command, runBaseline);
}

async function runBaseline(invocation: Invocation, [version = '']: readonly string[]): Promise<Outcome> {
  const settings = await openSettings(invocation);
  const folder = await openFolder(invocation, settings);
  const opened = await openSession(invocation, settings);
  const { session } = opened;
  try {
    const { baseline, baselineTargets } = await import('../../runner/repair.ts');
    if (invocation.flags['plan'] === true) {
      const [{ readToShow }, { compare }] = await Promise.all([
        import('../../runner/read-settled.ts'),
        import('../../runner/compare.ts'),
      ]);
      const targets = baselineTargets(compare(folder, await readToShow(session, settings.ledgerSchema)), version);
      const wouldBaseline = targets.map(({ version: number, name }) => ({ version: number, name }));
      return {
        result: { wouldBaseline },
        text: `${wouldBaseline.map((row) => `would record ${row.version}_${row.name}`).join('\n')}\n`,
      };
    }
    const deps = await runnerDeps(invocation, opened);
    const result = await baseline(deps, {
      folder,
      schema: settings.ledgerSchema,
      lockWaitMs: settings.lockWaitMs,
      to: version,
    });
    const lines = result.baselined.map((row) => `recorded ${row.version}_${row.name}`);
    return {
      result,
      text: invocation.global.quiet
        ? ''
        : `${lines.join('\n')}\n${count(lines.length, 'migration')} recorded as applied; none was run.\n`,
    };
  } finally {
    await session.close();
  }
}
