import { expect, onTestFinished } from 'vitest';
import { connect } from '../../../src/postgres/connect.ts';
import { fellSilent, givenUpWhenSilent } from '../../../src/postgres/silence.ts';
import { raw } from '../../../src/postgres/sql.ts';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { parametersOf } from '../../support/open-session.ts';
import { until } from '../../support/until.ts';

/** A session through a proxy, watched with a clock that beats fifty times as fast; how often it was asked is counted, and how often in vain. */
async function watched(database: TestDatabase, silentAt: number | null) {
  const url = new URL(database.url);
  const proxy = await startCuttingProxy(
    { host: url.hostname, port: Number(url.port) },
    silentAt === null ? null : { side: 'to-client', message: silentAt, mode: 'hang' },
  );
  onTestFinished(() => proxy.close());
  url.port = String(proxy.port);
  url.searchParams.set('sslmode', 'disable');
  const session = await connect(await parametersOf(url.href));
  onTestFinished(() => session.close());
  let asked = 0;
  let inVain = 0;
  const counted = {
    ...session,
    answers: async (milliseconds: number) => {
      asked += 1;
      const answers = await session.answers(milliseconds);
      if (!answers) inVain += 1;
      return answers;
    },
  };
  const every = (milliseconds: number, beat: () => void) => {
    const timer = setInterval(beat, milliseconds / 50);
    return () => clearInterval(timer);
  };
  return { session: givenUpWhenSilent(counted, { every }), proxy, asked: () => asked, inVain: () => inVain };
}

test('a statement to a server that falls silent fails as a lost connection, after two questions without an answer', async ({
  database,
}) => {
  const greeting = await watched(database, null);
  await greeting.session.rows(raw('SELECT 1'));
  // The third message of the next answer to a query never comes, nor anything after it.
  const { session, inVain } = await watched(database, greeting.proxy.passed['to-client'] + 2);
  await session.rows(raw('SELECT 1'));

  const failure: unknown = await session.run('SELECT 2').catch((error: unknown) => error);

  expect(failure).toMatchObject({ code: 'connection-lost', message: 'the server does not answer any more' });
  expect(fellSilent(failure)).toBe(true);
  // On a busy machine it may have been asked before it fell silent as well, and have answered.
  expect(inVain()).toBe(2);
});

test('a statement that says nothing for long is waited for, as long as the server answers beside it', async ({
  database,
}) => {
  const { session, asked } = await watched(database, null);
  await database.admin('CREATE TABLE gate ()');
  await database.admin('BEGIN; LOCK gate');

  const waiting = session.run('TRUNCATE gate');
  await until('the server was asked twice', async () => asked() >= 2);
  await database.admin('COMMIT');

  await expect(waiting).resolves.toBeUndefined();
});

test('a loss that the server announced is no silence', () => {
  expect(fellSilent(new Error('closed'))).toBe(false);
});
