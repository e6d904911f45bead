import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/**
 * A proxy before the server that passes everything on after `delayMs`, and counts on the client's side how often the
 * client speaks after the server has spoken. A connection's first message counts. So does its closing one, for which
 * nobody waits; it stands for the opening of the TCP connection, for which the client waits but which is not seen here.
 */
export async function startDelayProxy(serverUrl, delayMs) {
  const target = new URL(serverUrl);
  const server = { host: target.hostname, port: Number(target.port || 5432) };
  const sockets = new Set();
  let turns = 0;
  const passOn = (from, to, { arrived = () => undefined, delivered = () => undefined }) => {
    const later = (work) => setTimeout(() => to.destroyed || work(), delayMs);
    from.on('data', (bytes) => {
      arrived();
      later(() => {
        delivered();
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
    let clientSpoke = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
    }
    passOn(client, upstream, {
      arrived: () => {
        if (!clientSpoke) turns += 1;
        clientSpoke = true;
      },
    });
    passOn(upstream, client, {
      delivered: () => {
        clientSpoke = false;
      },
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
      const taken = turns;
      turns = 0;
      return taken;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
