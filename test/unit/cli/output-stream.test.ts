import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { outputStream } from '../../../src/cli/output-stream.ts';

/** A stream as Node makes it for a terminal, which outlives an error; every write fails with `code` once that is given. */
function terminal(columns: number, code?: string) {
  const attempts: string[] = [];
  const stream = Object.assign(new EventEmitter(), {
    isTTY: true,
    columns,
    write: (text: string) => {
      attempts.push(text);
      if (code !== undefined) setImmediate(() => stream.emit('error', Object.assign(new Error(code), { code })));
    },
  });
  return { attempts, stream: stream as unknown as NodeJS.WriteStream };
}

test('a terminal that does not know its width gets lines of 80 characters and nothing that moves', () => {
  const { stream } = terminal(0);

  expect(outputStream(stream)).toMatchObject({ isTerminal: true, terminal: null, columns: 80 });
});

test('a terminal that knows its width is used as it is', () => {
  const { stream } = terminal(132);
  const output = outputStream(stream);

  expect(output.terminal).toBe(stream);
  expect(output.columns).toBe(132);
});

test.each([
  ['ENOSPC', ['ENOSPC']],
  ['EPIPE', []],
] as const)(
  'a stream that fails with %s is told as incomplete once, where somebody may be there',
  async (code, told) => {
    const { stream } = terminal(80, code);
    const said: string[] = [];
    const output = outputStream(stream, (why) => said.push(why));

    output.write('first');
    output.write('second');
    expect(output.isGone).toBe(false);
    await new Promise((resolve) => setImmediate(resolve));

    expect(output.isGone).toBe(true);
    expect(said).toEqual(told);
  },
);

test.each(['EPIPE', 'EIO', 'ENOSPC'])(
  'a stream that fails with %s ends nothing, and is not written to again',
  async (code) => {
    const { stream, attempts } = terminal(80, code);
    const output = outputStream(stream);

    output.write('first');
    await new Promise((resolve) => setImmediate(resolve));
    output.write('second');
    await new Promise((resolve) => setImmediate(resolve));

    expect(attempts).toEqual(['first']);
  },
);
