import { randomUUID } from 'node:crypto';
import { expect, onTestFinished } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import { installLedger } from '../../../src/ledger/install.ts';
import { connect } from '../../../src/postgres/connect.ts';
import type { Session } from '../../../src/postgres/session.ts';
import { raw } from '../../../src/postgres/sql.ts';
import { type LeaseDeps, takeLease } from '../../../src/runner/lease.ts';
import { recover } from '../../../src/runner/recover.ts';
import type { RunnerDeps } from '../../../src/runner/step.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { installing } from '../../support/installing.ts';
import { openSession, parametersOf } from '../../support/open-session.ts';
import { until } from '../../support/until.ts';

const schema = 'pulse_migrate';
const actor = { osUser: 'anna', host: 'web-1', ciJob: null, gitCommit: null };

/** A session that holds the lease, with the heart in the test's hand; later sessions come from `next`. */
async function holdLease(database: TestDatabase, next: () => Promise<Session>) {
  const session = await openSession(database.url);
  await installLedger(installing(session), { schema, toolVersion: '0.0.0', waitMs: 0 });
  let beat = () => {};
  const deps: LeaseDeps = {
    session,
    emit: () => {},
    now: () => new Date(),
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    connect: next,
    every: (_milliseconds, again) => {
      beat = again;
      return () => {};
    },
  };
  const lease = await takeLease(deps, { schema, token: randomUUID(), actor, waitMs: 0 });
  onTestFinished(async () => void (await lease.release()));
  return { deps, lease, session, beat: () => beat() };
}

async function another(database: TestDatabase): Promise<Session> {
  const session = await connect(await parametersOf(database.url));
  onTestFinished(() => session.close());
  return session;
}

test('the backend of a lost connection is ended before the run goes on elsewhere, also where it seems idle', async ({
  database,
}) => {
  const { deps, lease, session } = await holdLease(database, () => another(database));
  const loss = new PulseError('connection-lost', 'as the client sees it');
  const runner = { ...deps, reconnectWaitMs: null } as unknown as RunnerDeps;

  await recover(runner, { schema, lease, confirmed: new Map() }, loss);

  // What the client sent last may still be on its way to this backend.
  expect(await database.admin(`SELECT FROM pg_stat_activity WHERE pid = ${session.backendPid}`)).toEqual([]);
  expect(lease.session().backendPid).not.toBe(session.backendPid);
});

test('a heart that could not connect tries again at the next beat, and renews the lease then', async ({ database }) => {
  let refusals = 2;
  const { beat } = await holdLease(database, async () => {
    refusals -= 1;
    if (refusals >= 0) throw new PulseError('connection-failed', 'too many clients');
    return another(database);
  });
  await database.admin("UPDATE pulse_migrate.lease SET expires_at = now() - interval '1 hour'");

  await until('the lease was renewed', async () => {
    beat();
    const [row] = await database.admin<{ alive: boolean }>(
      'SELECT expires_at > now() AS alive FROM pulse_migrate.lease',
    );
    return row?.alive;
  });
});

test('a session whose backend the heart does not see any more is given up, and no other', async ({ database }) => {
  const { beat, session, lease } = await holdLease(database, () => another(database));
  const given: unknown[] = [];
  const gone = await another(database);
  // As if a firewall had forgotten the connection: the server has ended the backend, and its client heard nothing.
  const deaf = { ...gone, abandon: (reason: PulseError) => void given.push(reason) };
  beat();
  await lease.moveTo(deaf);
  await gone.close();
  await until('its backend is gone', async () => {
    const rows = await database.admin(`SELECT FROM pg_stat_activity WHERE pid = ${gone.backendPid}`);
    return rows.length === 0;
  });

  await until('the session was given up', async () => {
    beat();
    return given.length > 0;
  });

  expect(given[0]).toMatchObject({ code: 'connection-lost' });
  await expect(session.rows(raw('SELECT 1'))).resolves.toHaveLength(1);
});
