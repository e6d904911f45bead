import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { track } from './proxy-sockets.ts';

/** Where a connection is held up: at the first bytes to the server with this text in them, or at the answer to them. */
export interface Hold {
  readonly text: string;
  readonly what: 'message' | 'answer';
  /** Done while nothing passes. */
  readonly meanwhile: () => Promise<unknown>;
}

/** The server's URL through a proxy that holds one message up while something else happens, and then lets it go on. */
export async function startHoldingProxy(
  url: string,
  hold: Hold,
): Promise<{ readonly url: string; readonly held: () => boolean; close(): Promise<void> }> {
  const target = new URL(url);
  const server = { host: target.hostname, port: Number(target.port) };
  const sockets = new Set<Socket>();
  let waits = true;
  const holdUp = (from: Socket, pass: () => void) => {
    from.pause();
    void hold.meanwhile().finally(() => {
      pass();
      from.resume();
    });
  };
  const listener = createServer((client) => {
    const upstream = connect(server);
    track(sockets, client, upstream);
    let answerIsMeant = false;
    client.on('data', (bytes) => {
      const meant = waits && bytes.includes(hold.text);
      if (meant) waits = false;
      if (meant && hold.what === 'message') return holdUp(client, () => upstream.write(bytes));
      answerIsMeant = meant;
      return void upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      if (!answerIsMeant) return void client.write(bytes);
      answerIsMeant = false;
      return holdUp(upstream, () => client.write(bytes));
    });
    client.on('close', () => upstream.end());
    upstream.on('close', () => client.end());
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  target.port = String((listener.address() as AddressInfo).port);
  target.searchParams.set('sslmode', 'disable');
  return {
    url: target.href,
    held: () => !waits,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
