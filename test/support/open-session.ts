import { onTestFinished } from 'vitest';
import { resolveConnection } from '../../src/config/connection/resolve.ts';
import { connect } from '../../src/postgres/connect.ts';
import type { ConnectionParameters } from '../../src/postgres/connection-parameters.ts';
import type { Session } from '../../src/postgres/session.ts';

/** The parameters of a connection string alone: nothing of this machine's environment or files reaches them. */
export async function parametersOf(url: string): Promise<ConnectionParameters> {
  const nowhere = { cwd: '/', env: {}, homeDirectory: null, userName: null };
  const { parameters, problems } = await resolveConnection(url, 'the test', nowhere);
  if (parameters === null) throw new Error(problems.map(({ message }) => message).join('; '));
  return parameters;
}

/** A session that is closed when the test ends. */
export async function openSession(url: string): Promise<Session> {
  const session = await connect(await parametersOf(url));
  onTestFinished(() => session.close());
  return session;
}

/** The same server and database as another role. */
export function urlAs(url: string, role: string, password = ''): string {
  const other = new URL(url);
  other.username = role;
  other.password = password;
  return other.href;
}
