import { connect } from 'node:net';

/** Whether a Docker daemon answers where the client would look for it. */
async function dockerAnswers(): Promise<boolean> {
  const host = process.env['DOCKER_HOST'];
  if (host && !host.startsWith('unix://')) return true;
  return new Promise((resolve) => {
    const socket = connect({ path: host?.slice('unix://'.length) || '/var/run/docker.sock', timeout: 1000 });
    const answer = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
    socket.once('timeout', () => answer(false));
  });
}

/** Starts a server in a container; null where Docker does not answer or cannot get the image. */
export async function startInDocker(version: string): Promise<{ readonly url: string; stop(): Promise<void> } | null> {
  if (!(await dockerAnswers())) return null;
  try {
    // 140 packages, so only where there is something to talk to.
    const { GenericContainer, Wait } = await import('testcontainers');
    const settings = [
      'fsync=off',
      'full_page_writes=off',
      'max_connections=200',
      'wal_level=logical',
      'max_prepared_transactions=20',
    ];
    const container = await new GenericContainer(`postgres:${version}`)
      .withEnvironment({ POSTGRES_PASSWORD: 'postgres' })
      .withCommand(['postgres', ...settings.flatMap((setting) => ['-c', setting])])
      .withExposedPorts(5432)
      // The image starts once to initialise itself and then again.
      .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/, 2))
      .start();
    const url = `postgresql://postgres:postgres@${container.getHost()}:${container.getMappedPort(5432)}/postgres`;
    return { url, stop: async () => void (await container.stop()) };
  } catch (error) {
    console.warn(`Docker answers, but no server came up in it (${String(error)}); the npm-shipped one is used instead`);
    return null;
  }
}
