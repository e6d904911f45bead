import { type CuttingProxy, startCuttingProxy } from '../../support/cutting-proxy.ts';

/** What the sessions of a run that meets a fault are called, so that those of the tests themselves are never meant. */
export const runName = 'pulse-migrate under fault';

/** What happens at a message to the server, counted from 1. */
export interface AtMessage {
  readonly message: number;
  /** Called before the message is passed on. */
  readonly strike: () => void;
  /** Whether the message reaches the server all the same; if not, the connection ends in its place. */
  readonly fate: 'sent' | 'unsent';
}

/** Does work with the environment of a run that goes through a proxy, and strikes at one of its messages. */
export async function throughProxy<Result>(
  url: string,
  at: AtMessage | null,
  work: (env: Readonly<Record<string, string>>) => Promise<Result>,
): Promise<{ readonly result: Result; readonly passed: CuttingProxy['passed'] }> {
  const through = new URL(url);
  const proxy = await startCuttingProxy(
    { host: through.hostname, port: Number(through.port) },
    at?.fate === 'unsent' ? { side: 'to-server', message: at.message, mode: 'once' } : null,
    (side, message) => {
      if (side === 'to-server' && message === at?.message) at.strike();
    },
  );
  through.port = String(proxy.port);
  try {
    const result = await work({ DATABASE_URL: through.href, PGSSLMODE: 'disable', PGAPPNAME: runName });
    return { result, passed: proxy.passed };
  } finally {
    await proxy.close();
  }
}
