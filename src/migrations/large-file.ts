import { type FileIdentity, identityOf } from '../regular-file.ts';
import { type DecodeProblem, lineOf, RunningDecode } from './decode.ts';
import { FileChanged, FileText } from './file-text.ts';

/** Files of more bytes than this stay on the disk and are sent in pieces; the ledger keeps their checksums alone. */
export const largestInMemory = 1_000_000;

/** A file that was looked at once from its beginning to its end, and not kept. */
export interface LargeFile {
  readonly text: FileText;
  /** Lines end in CRLF here and in LF there. */
  readonly mixesLineEnds: boolean;
}

/**
 * Looks at every byte of a file, so many at once.
 * @throws {FileChanged} when it is changed meanwhile.
 */
export function readLargeFile(
  path: string,
  shown: string,
  blockBytes = 262_144,
): LargeFile | { readonly problem: DecodeProblem } {
  const text = textOf(path, shown, blockBytes);
  const decode = new RunningDecode();
  const ends = new LineEnds();
  for (let at = 0; at < text.length; at += blockBytes) {
    const part = text.bytes(at, Math.min(text.length, at + blockBytes));
    const problem = decode.add(part);
    if (problem !== null) return { problem: behind(text, at, blockBytes, problem) };
    ends.add(part);
  }
  const problem = decode.end();
  if (problem !== null) return { problem: behind(text, text.length, blockBytes, problem) };
  return { text, mixesLineEnds: ends.mixed };
}

/** The same problem, its line counted from the beginning of the file: only now is that worth another look at it. */
function behind(text: FileText, offset: number, blockBytes: number, problem: DecodeProblem): DecodeProblem {
  if (problem.line === undefined) return problem;
  let line = problem.line;
  for (let at = 0; at < offset; at += blockBytes) {
    const part = text.bytes(at, Math.min(offset, at + blockBytes));
    line += lineOf(part, part.length) - 1;
  }
  return { ...problem, line };
}

const byteOrderMark = Buffer.from('\uFEFF');

function textOf(path: string, shown: string, blockBytes: number): FileText {
  const identity = identified(path, shown);
  const text = new FileText(path, shown, identity, { skipped: 0, blockBytes });
  const isMarked = text.bytes(0, Math.min(byteOrderMark.length, text.length)).equals(byteOrderMark);
  return isMarked ? new FileText(path, shown, identity, { skipped: byteOrderMark.length, blockBytes }) : text;
}

function identified(path: string, shown: string): FileIdentity {
  try {
    return identityOf(path);
  } catch (cause) {
    throw new FileChanged(shown, cause);
  }
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** Which line ends were seen. */
class LineEnds {
  #returns = false;
  #bare = false;
  #last = 0;

  add(part: Buffer): void {
    if (!this.#returns && !part.includes(carriageReturn) && this.#last !== carriageReturn) {
      this.#bare ||= part.includes(lineFeed);
    } else if (!this.mixed) {
      for (let at = part.indexOf(lineFeed); at >= 0 && !this.mixed; at = part.indexOf(lineFeed, at + 1)) {
        if ((at === 0 ? this.#last : part[at - 1]) === carriageReturn) this.#returns = true;
        else this.#bare = true;
      }
    }
    this.#last = part.at(-1) ?? this.#last;
  }

  get mixed(): boolean {
    return this.#returns && this.#bare;
  }
}
