import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { track } from './proxy-sockets.ts';

export type Side = 'to-server' | 'to-client';

/** Where the connection breaks: at the message of that number, counted over all connections, before it is passed on. */
export interface Cut {
  readonly side: Side;
  /** From 1; 0 with `text`. */
  readonly message: number;
  /** Instead of a number: the message to the server that holds this, once one that holds `after` has passed. */
  readonly text?: string;
  readonly after?: string;
  /** `once`: later connections work; `dead`: the server stays away; `hang`: no byte passes any more, and nobody is told. */
  readonly mode: 'once' | 'dead' | 'hang';
}

export interface CuttingProxy {
  readonly port: number;
  /** Messages that were passed on so far. */
  readonly passed: Readonly<Record<Side, number>>;
  /** Whether the cut was reached. */
  readonly cut: boolean;
  close(): Promise<void>;
}

/**
 * A proxy in front of a server that breaks the connection at any message; without TLS, whose answer has no frame.
 * `onMessage` is told each message with its number before it is passed on or cut, so that something else can break then.
 */
export async function startCuttingProxy(
  server: { readonly host: string; readonly port: number },
  cut: Cut | null,
  onMessage: (side: Side, message: number, bytes: Buffer) => void = () => {},
): Promise<CuttingProxy> {
  const passed = { 'to-server': 0, 'to-client': 0 };
  const sockets = new Set<Socket>();
  let happened = false;
  let armed = cut?.after === undefined;
  let reached = false;
  let hanging = false;

  const listener = createServer((client) => {
    if (happened && cut?.mode === 'dead') {
      client.destroy();
      return;
    }
    const upstream = connect(server);
    track(sockets, client, upstream);
    const breakHere = () => {
      happened = true;
      if (cut?.mode === 'hang') {
        hanging = true;
        return;
      }
      client.destroy();
      upstream.destroy();
    };
    const pass = (side: Side, target: Socket) => (message: Buffer) => {
      if (hanging) return;
      onMessage(side, passed[side] + 1, message);
      if (side === 'to-server' && cut?.text !== undefined && !reached) {
        const text = message.toString('latin1');
        reached = armed && text.includes(cut.text);
        armed ||= text.includes(cut.after ?? '');
      }
      const here = cut?.text === undefined ? passed[side] + 1 === cut?.message : reached;
      if (!happened && cut?.side === side && here) {
        breakHere();
        return;
      }
      passed[side] += 1;
      target.write(message);
    };
    // The question whether there is TLS counts for nothing here, and has an answer without a frame: there is none.
    const declineTls = () => hanging || client.write('N');
    client.on('data', messages(declineTls, pass('to-server', upstream)));
    upstream.on('data', messages(null, pass('to-client', client)));
    // A black hole passes nothing on, not even the end.
    client.on('close', () => hanging || upstream.end());
    upstream.on('close', () => hanging || client.end());
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as AddressInfo).port,
    passed,
    get cut() {
      return happened;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      if (!listener.listening) return;
      listener.close();
      await once(listener, 'close');
    },
  };
}

const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** Puts bytes together into messages; the first one of a client has no type byte. */
function messages(onSslRequest: (() => void) | null, pass: (message: Buffer) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  let first = onSslRequest !== null;
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    for (;;) {
      const header = first ? 0 : 1;
      if (rest.length < header + 4) return;
      const length = rest.readUInt32BE(header) + header;
      if (rest.length < length) return;
      const message = rest.subarray(0, length);
      rest = rest.subarray(length);
      if (first && message.equals(sslRequest)) {
        onSslRequest?.();
        continue;
      }
      first = false;
      pass(message);
    }
  };
}
