import { startServer } from '../../support/server.ts';
import type { PrivateServer } from '../../support/server-launch.ts';
import { until } from '../../support/until.ts';
import type { Scene } from './aftermath.ts';
import { openPrivateScene } from './private-scene.ts';

/** A primary with an asynchronous standby, both with what a server that is down holds. */
export interface ServerPair extends AsyncDisposable {
  readonly primary: PrivateServer;
  readonly standby: PrivateServer;
  /** On the primary. */
  readonly scene: Scene;
  /** Waits until the standby has all that the primary has committed. */
  caughtUp(): Promise<void>;
  /** From now on nothing of what the primary commits reaches the standby. At once, so that a message can be the moment. */
  cutOff(): void;
  /** The primary is gone, as when its machine is. At once. */
  killPrimary(): void;
  /** Waits until the standby takes writes. */
  promote(): Promise<Scene>;
}

/** Starts both, and waits until the standby follows. `states`: what the scenes on them should hold. */
export async function startPair(copyOf: PrivateServer, states: Scene['states']): Promise<ServerPair> {
  const primary = await startServer({ copyOf });
  const upstream = `host=${primary.socketDirectory} port=${primary.port} user=postgres`;
  const standby = await startServer({ copyOf, standby: true, settings: { primary_conninfo: upstream } });
  const scene = await openPrivateScene(primary, states);
  const { database } = scene;
  const sender = await until('the standby follows', async () => {
    const [row] = await database.admin<{ pid: number }>(
      "SELECT pid FROM pg_stat_replication WHERE state = 'streaming'",
    );
    return row?.pid;
  });
  const postmaster = await primary.pid();
  if (postmaster === null) throw new Error('the primary does not run');
  let isCutOff = false;
  return {
    primary,
    standby,
    scene,
    caughtUp: async () => {
      await until('the standby has caught up', async () => {
        const [row] = await database.admin<{ behind: boolean }>(
          'SELECT replay_lsn IS DISTINCT FROM pg_current_wal_lsn() AS behind FROM pg_stat_replication',
        );
        return row?.behind === false;
      });
    },
    cutOff: () => {
      // Stopped, not killed: another sender would take its place.
      if (!isCutOff) process.kill(sender, 'SIGSTOP');
      isCutOff = true;
    },
    killPrimary: () => {
      process.kill(postmaster, 'SIGKILL');
      if (isCutOff) process.kill(sender, 'SIGKILL');
    },
    promote: async () => {
      const scene = await openPrivateScene(standby, states);
      await scene.database.admin('SELECT pg_promote()');
      return scene;
    },
    [Symbol.asyncDispose]: async () => {
      await primary[Symbol.asyncDispose]();
      await standby[Symbol.asyncDispose]();
    },
  };
}
