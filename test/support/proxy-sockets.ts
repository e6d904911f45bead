import type { Socket } from 'node:net';

/** Keeps track of both ends of a proxied connection until they close, and lets neither of them end the test. */
export function track(sockets: Set<Socket>, ...ends: readonly Socket[]): void {
  for (const socket of ends) {
    sockets.add(socket);
    // Messages are written one by one: held back, each would wait for the other side's delayed acknowledgement.
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  }
}
