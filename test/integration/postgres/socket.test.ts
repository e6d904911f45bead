import { existsSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { resolveConnection } from '../../../src/config/connection/resolve.ts';
import { PulseError } from '../../../src/errors.ts';
import type { ConnectionParameters } from '../../../src/postgres/connection-parameters.ts';
import { openSocket } from '../../../src/postgres/socket.ts';

/** A peer that is not PostgreSQL: what it does with a connection is the test. */
async function strangerOn(onConnection: (socket: Socket) => void): Promise<{ port: number; opened: () => number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, opened: () => sockets.size };
}

async function open(text: string, encrypted: boolean, changes: Partial<ConnectionParameters> = {}) {
  const around = { cwd: '/', env: {}, homeDirectory: null, userName: 'anna' };
  const { parameters } = await resolveConnection(text, 'test', around);
  const host = parameters?.hosts[0];
  if (!parameters || !host) throw new Error('the string of the test is wrong');
  const opened = await openSocket(host, { ...parameters, ...changes }, { encrypted });
  onTestFinished(() => void opened.socket.destroy());
  return opened;
}

async function refusal(opening: Promise<unknown>): Promise<string> {
  const error = await opening.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PulseError)) throw new Error('not refused in the right way', { cause: error });
  expect(error.code).toBe('connection-failed');
  expect(error.hint).not.toBe('');
  return error.message;
}

test.each(['require', 'prefer'])(
  'bytes sent together with the consent to TLS are taken for an attack under %s',
  async (mode) => {
    const { port, opened } = await strangerOn((socket) =>
      socket.once('data', () => socket.write(Buffer.concat([Buffer.from('S'), Buffer.alloc(20)]))),
    );
    expect(await refusal(open(`host=127.0.0.1 port=${port} sslmode=${mode}`, true))).toBe(
      `cannot connect to 127.0.0.1:${port}: unencrypted bytes came before TLS began: someone may be in between (sslmode=${mode})`,
    );
    expect(opened()).toBe(1);
  },
);

test('a peer that closes after the question for TLS is named, and under prefer asked once more without TLS', async () => {
  const { port, opened } = await strangerOn((socket) => socket.once('data', () => socket.end()));
  expect(await refusal(open(`host=127.0.0.1 port=${port} sslmode=require`, true))).toContain(
    'the connection was closed before TLS began',
  );
  expect(opened()).toBe(1);
  expect((await open(`host=127.0.0.1 port=${port} sslmode=prefer`, true)).encrypted).toBe(false);
  expect(opened()).toBe(3);
});

test.each([
  ['an error message', 'E'],
  ['another protocol', 'HTTP/1.1 400'],
])('%s in answer to the question for TLS is not shown', async (_case, answer) => {
  const { port } = await strangerOn((socket) => socket.once('data', () => socket.write(answer)));
  expect(await refusal(open(`host=127.0.0.1 port=${port} sslmode=require`, true))).not.toContain(answer);
});

test('a peer that accepts and says nothing ends with the time for connecting', async () => {
  const { port, opened } = await strangerOn(() => {});
  const opening = open(`host=127.0.0.1 port=${port} sslmode=prefer`, true, { connectTimeoutMs: 100 });
  expect(await refusal(opening)).toBe(`cannot connect to 127.0.0.1:${port}: no answer within 0.1 s`);
  expect(opened()).toBe(1);
});

test('a peer that breaks off the handshake is no bug of ours', async () => {
  const { port } = await strangerOn((socket) =>
    socket.once('data', () => socket.write('S', () => socket.once('data', () => socket.destroy()))),
  );
  expect(await refusal(open(`host=127.0.0.1 port=${port} sslmode=require`, true))).toContain(
    'closed by the other side',
  );
});

test('an error of the socket before anybody listens does not end the program', async () => {
  const { port } = await strangerOn((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const opened = await open(`host=127.0.0.1 port=${port}`, false);
  opened.socket.resume().write('x');
  await new Promise((resolve) => opened.socket.once('close', resolve));
  expect(opened.socket.errored).toMatchObject({ code: 'ECONNRESET' });
});

test('a closed port, a missing socket and an unknown host are each named with what to do', async () => {
  const { port } = await strangerOn(() => {});
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const free = (closed.address() as AddressInfo).port;
  await new Promise((resolve) => closed.close(resolve));
  expect(port).not.toBe(free);
  expect(await refusal(open(`host=127.0.0.1 port=${free}`, false))).toBe(
    `cannot connect to 127.0.0.1:${free}: connection refused`,
  );
  const directory = '/nonexistent';
  expect(existsSync(directory)).toBe(false);
  expect(await refusal(open(`host=${directory}`, false))).toBe(
    `cannot connect to ${join(directory, '.s.PGSQL.5432')}: there is no such Unix socket`,
  );
  expect(await refusal(open('host=host.invalid', false))).toMatch(
    /^cannot connect to host\.invalid:5432: (there is no host of that name|the name of the host cannot be looked up now)$/,
  );
});
