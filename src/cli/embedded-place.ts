import type { ConnectionParameters } from '../postgres/connection-parameters.ts';
import type { EmbeddedDependencies, EmbeddedServer } from '../scratch/embedded.ts';
import type { Invocation } from './cli.ts';

/** The embedded server's view of this process. */
export function embeddedDependencies(invocation: Invocation): EmbeddedDependencies {
  const { runtime, progress } = invocation;
  return {
    identity: {
      uid: runtime.uid ?? 0,
      pid: runtime.pid,
      platform: runtime.platform,
      architecture: runtime.architecture,
      homeDirectory: runtime.homeDirectory,
      dataHome: runtime.env['XDG_DATA_HOME'] ?? null,
      systemStateDirectory: '/var/lib',
      temporaryDirectory: runtime.temporaryDirectory,
    },
    binaries: { packageBase: import.meta.url, override: runtime.env['PULSE_EMBEDDED_POSTGRES'] ?? null },
    emit: progress.emit,
    now: () => runtime.now().getTime(),
    sleep: runtime.sleep,
  };
}

/** Starts the project's server when it does not run. */
export async function startProjectServer(invocation: Invocation): Promise<EmbeddedServer> {
  const { startEmbedded } = await import('../scratch/embedded.ts');
  return startEmbedded(embeddedDependencies(invocation), { projectDirectory: invocation.runtime.cwd });
}

/** How to connect to the project's server, started if need be: by its socket, as the superuser, without a password. */
export async function embeddedParameters(invocation: Invocation): Promise<ConnectionParameters> {
  const server = await startProjectServer(invocation);
  return {
    hosts: [{ host: server.socketDirectory, hostaddr: null, port: server.port, password: null }],
    user: 'postgres',
    database: 'postgres',
    sslmode: 'disable',
    sslnegotiation: 'postgres',
    sslrootcert: null,
    sslcert: null,
    sslkey: null,
    sslpassword: null,
    sslcrl: null,
    sslsni: true,
    sslMinProtocolVersion: null,
    sslMaxProtocolVersion: null,
    targetSessionAttrs: 'any',
    applicationName: 'pulse-migrate',
    options: null,
    connectTimeoutMs: 10_000,
    certificateDirectory: null,
  };
}
