import { inject } from 'vitest';
import { launchServer, type PrivateServer, type ServerOptions } from './server-launch.ts';

/**
 * A server for one test alone, which may restart, crash or reconfigure it: `await using server = await startServer()`.
 * The first start takes about a second; a test that only needs a database takes the fixture of `database.ts`.
 */
export async function startServer(options: ServerOptions = {}): Promise<PrivateServer> {
  return launchServer(inject('runDirectory'), options);
}
