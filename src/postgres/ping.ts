import { connect, type NetConnectOpts } from 'node:net';
import { sslRequest } from './socket.ts';

/**
 * Whether somebody answers there at all: a connection of its own asks for TLS, which every server and pooler answers
 * before it wants a name or a password. One that has TLS logs "EOF detected" then. Milliseconds; never throws.
 */
export function ping(endpoint: NetConnectOpts, milliseconds: number): Promise<boolean> {
  return new Promise((resolve) => {
    let reached = false;
    const socket = connect(endpoint);
    const settle = (answered: boolean) => {
      clearTimeout(deadline);
      socket.destroy();
      resolve(answered);
    };
    const deadline = setTimeout(() => settle(false), milliseconds);
    socket.on('connect', () => {
      reached = true;
      socket.write(sslRequest);
    });
    socket.on('data', () => settle(true));
    // Whoever hangs up is there.
    socket.on('close', () => settle(reached));
    socket.on('error', () => settle(reached));
  });
}
