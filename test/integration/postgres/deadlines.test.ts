import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, vi } from 'vitest';
import { requestCancel } from '../../../src/postgres/cancel.ts';
import { connect } from '../../../src/postgres/connect.ts';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import { test } from '../../support/database.ts';
import { openSession, parametersOf } from '../../support/open-session.ts';
import { until } from '../../support/until.ts';

/** A peer that takes connections and bytes, and neither answers nor closes. */
async function silentPeer() {
  const listener = createServer({ allowHalfOpen: true });
  const sockets = new Set<Socket>();
  listener.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  return { listener, port: (listener.address() as AddressInfo).port };
}

test('a cancel request to a peer that never closes the connection is given up', async () => {
  const { listener, port } = await silentPeer();
  const parameters = await parametersOf(`host=127.0.0.1 port=${port} user=anna sslmode=disable connect_timeout=0`);
  const [host] = parameters.hosts;
  if (host === undefined) throw new Error('no host');
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const received = once(listener, 'connection').then(
    async ([socket]: Socket[]) => (await once(socket as Socket, 'data'))[0],
  );

  const request = requestCancel({ host, encrypted: false }, parameters, { pid: 7, secret: 9 });

  expect(((await received) as Buffer).readUInt32BE(8)).toBe(7);
  await vi.advanceTimersByTimeAsync(5000);
  await expect(request).resolves.toBeUndefined();
});

test('a server that takes the connection and says nothing is told as one that did not answer in time', async () => {
  const { port } = await silentPeer();
  const parameters = await parametersOf(`host=127.0.0.1 port=${port} user=anna sslmode=disable`);

  await expect(connect({ ...parameters, connectTimeoutMs: 200 })).rejects.toMatchObject({
    code: 'connection-failed',
    message: `cannot connect to 127.0.0.1:${port}: no answer within 0.2 s`,
    hint: expect.stringContaining('connect_timeout=SECONDS'),
  });
});

// Only Linux shows its timers.
test.skipIf(process.platform !== 'linux')(
  'a connection that is silent for 10 seconds is asked whether its peer is there',
  async ({ database }) => {
    const url = new URL(database.url);
    const proxy = await startCuttingProxy({ host: url.hostname, port: Number(url.port) }, null);
    onTestFinished(() => proxy.close());
    url.port = String(proxy.port);
    url.searchParams.set('sslmode', 'disable');
    const session = await openSession(url.href);
    await session.run('SELECT 1');

    // The kernel's table: local address, remote address, state, queues, then the timer and when it fires in 1/100 s.
    const peer = ` 0100007F:${proxy.port.toString(16).toUpperCase().padStart(4, '0')} 01 `;
    const timer = await until('the last answer is acknowledged', async () => {
      const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n');
      const line = lines.find((entry) => entry.trim().split(/\s+/).slice(2, 4).join(' ') === peer.trim());
      return line?.match(/ 02:([0-9A-F]{8}) /)?.[1];
    });

    expect(Number.parseInt(timer, 16)).toBeLessThanOrEqual(1000);
  },
);
