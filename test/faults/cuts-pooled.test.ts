import { test } from '../support/database.ts';
import { pgbouncerIsHere, startPgbouncer } from '../support/pgbouncer.ts';
import { cutEverywhere } from './support/cut-trials.ts';

for (const command of ['up', 'down'] as const) {
  for (const mode of ['once', 'dead', 'hang'] as const) {
    test.skipIf(!pgbouncerIsHere)(
      `a connection to PgBouncer that is cut at any message of ${command} (${mode}) leaves nothing half done, and the next run completes`,
      async ({ database, openDatabase }) => {
        const pooler = new URL(await startPgbouncer(database.url, 'transaction'));
        const reach = async ({ name }: { readonly name: string }) =>
          Object.assign(new URL(pooler), { pathname: `/${name}` }).href;
        await cutEverywhere({ command, way: 'pooled', mode, open: openDatabase, reach });
      },
    );
  }
}
