import type { InstallDeps } from '../../src/ledger/install.ts';
import type { Session } from '../../src/postgres/session.ts';

/** What an installation needs where nobody watches and nothing is waited for. */
export function installing(session: Session): InstallDeps {
  return { session, emit: () => undefined, now: () => new Date(), sleep: async () => undefined };
}
