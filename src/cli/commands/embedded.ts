import type { Command } from 'commander';
import type { AddAction, Invocation } from '../cli.ts';
import { embeddedDependencies, startProjectServer } from '../embedded-place.ts';
import { examples } from '../examples.ts';
import type { Outcome } from '../outcome.ts';

export function registerEmbedded(program: Command, addAction: AddAction): void {
  const group = program
    .command('embedded')
    .summary('a PostgreSQL of its own for this project')
    .description('Starts, stops and resets the PostgreSQL that --embedded uses. One for each project directory.');
  examples(group, [
    ['pulse-migrate embedded start', 'start it (a command with --embedded does so by itself)'],
    ['psql "$(pulse-migrate embedded url)"', 'look into it'],
    ['pulse-migrate embedded reset', 'delete its data'],
  ]);

  const start = group.command('start').description('Starts the server; it keeps running.');
  examples(start, [['pulse-migrate embedded start', 'start, or say that it runs']]);
  addAction(start, async (invocation): Promise<Outcome> => {
    const server = await startProjectServer(invocation);
    return {
      result: server,
      text: `${server.started ? 'started' : 'already running'}: PostgreSQL ${server.version}\n${server.url}\n`,
    };
  });

  const stop = group.command('stop').description('Stops the server and keeps its data.');
  examples(stop, [['pulse-migrate embedded stop', 'the data stays']]);
  addAction(stop, async (invocation): Promise<Outcome> => {
    const { stopEmbedded } = await import('../../scratch/embedded.ts');
    const result = await stopEmbedded(embeddedDependencies(invocation), project(invocation));
    return { result, text: result.stopped ? 'stopped; its data is kept\n' : 'it was not running\n' };
  });

  const url = group.command('url').description('Prints the URL of the server, starting it when it does not run.');
  examples(url, [['psql "$(pulse-migrate embedded url)"', 'connect with psql']]);
  addAction(url, async (invocation): Promise<Outcome> => {
    const server = await startProjectServer(invocation);
    return { result: { url: server.url }, text: `${server.url}\n` };
  });

  const reset = group.command('reset').description('Stops the server and deletes its data.');
  examples(reset, [['pulse-migrate embedded reset', 'the next command begins with an empty server']]);
  addAction(reset, async (invocation): Promise<Outcome> => {
    const { resetEmbedded } = await import('../../scratch/embedded.ts');
    const result = await resetEmbedded(embeddedDependencies(invocation), project(invocation));
    return { result, text: result.deleted ? `deleted ${result.dataDirectory}\n` : 'there was nothing to delete\n' };
  });
}

function project(invocation: Invocation): { readonly projectDirectory: string } {
  return { projectDirectory: invocation.runtime.cwd };
}
