import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { turnCounter } from './turn-counter.mjs';

/**
 * A proxy before the server that passes everything on after `delayMs`, and counts on the client's side how often the
 * client waits. A connection's first message counts. So does its closing one, for which nobody waits; it stands for the
 * opening of the TCP connection, for which the client waits but which is not seen here.
 */
export async function startDelayProxy(serverUrl, delayMs) {
  const target = new URL(serverUrl);
  const server = { host: target.hostname, port: Number(target.port || 5432) };
  const sockets = new Set();
  const counters = new Set();
  const passOn = (from, to, { arrived = (_bytes) => undefined, delivered = (_bytes) => undefined }) => {
    const later = (work) => setTimeout(() => to.destroyed || work(), delayMs);
    from.on('data', (bytes) => {
      arrived(bytes);
      later(() => {
        delivered(bytes);
        to.write(bytes);
      });
    });
    from.on('end', () => later(() => to.end()));
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      later(() => to.destroySoon());
    });
  };
  const listener = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ ...server, allowHalfOpen: true });
    const counter = turnCounter();
    counters.add(counter);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
    }
    passOn(client, upstream, {
      arrived: counter.client,
    });
    passOn(upstream, client, {
      delivered: counter.server,
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  return {
    /** The same database, reached through the proxy. */
    through(url) {
      const changed = new URL(url);
      changed.hostname = '127.0.0.1';
      changed.port = String(port);
      return changed.href;
    },
    /** The turns since this was asked last. */
    takeTurns() {
      return [...counters].reduce((sum, counter) => sum + counter.take(), 0);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
