import { test as withDatabase } from '../../support/database.ts';
import { urlAs } from '../../support/open-session.ts';

/** A role that may only connect, and the URL of the test's database as that role. */
export interface PlainRole {
  readonly name: string;
  readonly url: string;
}

/** `test` with a role of its own beside the database; both are dropped at the end. */
export const test = withDatabase.extend('plainRole', async ({ database }, { onCleanup }): Promise<PlainRole> => {
  const name = `${database.name}_role`;
  await database.admin(`CREATE ROLE "${name}" LOGIN PASSWORD 'secret'`);
  onCleanup(async () => {
    await database.admin(`DROP OWNED BY "${name}" CASCADE; DROP ROLE "${name}"`);
  });
  return { name, url: urlAs(database.url, name, 'secret') };
});
