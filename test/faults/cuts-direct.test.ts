import { test } from '../support/database.ts';
import { cutEverywhere } from './support/cut-trials.ts';

for (const command of ['up', 'down'] as const) {
  for (const mode of ['once', 'dead', 'hang'] as const) {
    test(`a connection that is cut at any message of ${command} (${mode}) leaves nothing half done, and the next run completes`, async ({
      openDatabase,
    }) => {
      await cutEverywhere({ command, way: 'direct', mode, open: openDatabase, reach: async ({ url }) => url });
    });
  }
}
