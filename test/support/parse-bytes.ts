import type { Problem } from '../../src/errors.ts';
import { HashedFile, hashBytes, hashLargeFile } from '../../src/migrations/hashed-file.ts';
import type { FileSource, ParsedFile } from '../../src/migrations/parse-file.ts';

type Parsed = ParsedFile | { readonly problem: Problem };

/** A file taken apart at once; bytes that are no text give a problem and no file. */
export function parseMigrationBytes(bytes: Uint8Array, source: FileSource): Parsed {
  return parsedOf(hashBytes(bytes, source));
}

/** As `parseMigrationBytes`, of a file that is too large to keep. */
export function parseLargeFile(path: string, source: FileSource, blockBytes?: number): Parsed {
  return parsedOf(hashLargeFile(path, source, blockBytes));
}

function parsedOf(hashed: ReturnType<typeof hashBytes>): Parsed {
  if (!(hashed instanceof HashedFile)) return hashed;
  const parsed = hashed.parsed();
  if (parsed.file === null) throw new Error(`the file changed: ${JSON.stringify(parsed.problems)}`);
  return parsed;
}
