import type { OutputStream } from './runtime.ts';

/** The reader left (head, a closed pager), the terminal did (a dropped SSH session): nobody is there to be told. */
const nobodyIsThere = new Set(['EPIPE', 'EIO']);

/** As `outputStream`, of a stream that is not opened before it is wanted: that is a good part of what it takes to say `--help`. */
export function lazyOutputStream(open: () => OutputStream): OutputStream {
  let opened: OutputStream | null = null;
  const stream = () => {
    opened ??= open();
    return opened;
  };
  return {
    get isTerminal() {
      return stream().isTerminal;
    },
    get terminal() {
      return stream().terminal;
    },
    get columns() {
      return stream().columns;
    },
    get isGone() {
      return stream().isGone;
    },
    write: (text) => stream().write(text),
  };
}

/**
 * Wraps a standard stream so that its end changes nothing in the database: what cannot be written any more is dropped,
 * and `incomplete` told why, once, where somebody may be there to hear it (a full disk).
 */
export function outputStream(stream: NodeJS.WriteStream, incomplete: (why: string) => void = () => {}): OutputStream {
  const isTerminal = stream.isTTY === true;
  let gone = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (!gone && !nobodyIsThere.has(error.code ?? '')) incomplete(error.message);
    gone = true;
  });
  return {
    isTerminal,
    // Some terminals (serial lines, CI) report 0 columns; ora would clear an infinite number of lines there.
    terminal: isTerminal && stream.columns > 0 ? stream : null,
    columns: stream.columns || 80,
    get isGone() {
      return gone;
    },
    write: (text) => {
      if (!gone) stream.write(text);
    },
  };
}
