import type { OutputStream } from './runtime.ts';

/** Wraps a standard stream so that its end changes nothing in the database: what cannot be written any more is dropped. */
export function outputStream(stream: NodeJS.WriteStream): OutputStream {
  const isTerminal = stream.isTTY === true;
  let gone = false;
  // EPIPE: the reader left (head, a closed pager). EIO: the terminal did (a dropped SSH session).
  stream.on('error', () => {
    gone = true;
  });
  return {
    isTerminal,
    // Some terminals (serial lines, CI) report 0 columns; ora would clear an infinite number of lines there.
    terminal: isTerminal && stream.columns > 0 ? stream : null,
    columns: stream.columns || 80,
    write: (text) => {
      if (!gone) stream.write(text);
    },
  };
}
