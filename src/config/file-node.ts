/** A configuration file as plain values that know their line: YAML, and JSON as the part of YAML that it is. */
import type { Document, LineCounter, Node } from 'yaml';
import type { Location, Problem } from '../errors.ts';

export type FileNode =
  | { readonly kind: 'scalar'; readonly value: unknown; readonly location: Location }
  | { readonly kind: 'list'; readonly items: readonly FileNode[]; readonly location: Location }
  | { readonly kind: 'section'; readonly entries: readonly FileEntry[]; readonly location: Location };

export interface FileEntry {
  readonly name: string;
  readonly location: Location;
  readonly node: FileNode;
}

export interface ParsedFile {
  /** Null for a file without content. */
  readonly root: FileNode | null;
  readonly problems: readonly Problem[];
}

type Yaml = typeof import('./late/yaml.ts');

interface Reader {
  readonly yaml: Yaml;
  readonly shown: string;
  readonly lines: LineCounter;
  readonly problems: Problem[];
}

/** No configuration is this large; a file that is was not written by a person, and nesting costs stack. */
const largestFile = 256 * 1024;

function locationAt(reader: Reader, offset: number): Location {
  const { line, col } = reader.lines.linePos(offset);
  return { file: reader.shown, line, column: col };
}

function refuse(reader: Reader, message: string, location: Location, hint: string): FileNode {
  reader.problems.push({ message, location, hint });
  return { kind: 'section', entries: [], location };
}

function toNode(reader: Reader, node: Node | null, fallback: Location, depth: number): FileNode {
  const { isAlias, isMap, isScalar, isSeq } = reader.yaml;
  const location = node?.range ? locationAt(reader, node.range[0]) : fallback;
  // An alias repeats a whole subtree; ten lines of them unfold to gigabytes, and nothing here needs one.
  if (isAlias(node)) return refuse(reader, 'aliases are not read', location, 'write the value out');
  if (depth > 20)
    return refuse(reader, 'nested too deep', location, 'see .pulsemigraterc.example for the keys there are');
  if (isMap(node)) {
    const entries = node.items.flatMap((pair): FileEntry[] => {
      const where = reader.yaml.isNode(pair.key) && pair.key.range ? locationAt(reader, pair.key.range[0]) : location;
      if (!isScalar(pair.key) || typeof pair.key.value !== 'string') {
        reader.problems.push({ message: 'a key must be text', location: where, hint: 'put the key in quotes' });
        return [];
      }
      const value = reader.yaml.isNode(pair.value) ? pair.value : null;
      return [{ name: pair.key.value, location: where, node: toNode(reader, value, where, depth + 1) }];
    });
    return { kind: 'section', entries, location };
  }
  if (isSeq(node)) {
    const items = node.items.map((item) => toNode(reader, reader.yaml.isNode(item) ? item : null, location, depth + 1));
    return { kind: 'list', items, location };
  }
  return { kind: 'scalar', value: isScalar(node) ? node.value : null, location };
}

function syntaxProblems(reader: Reader, document: Document): void {
  for (const error of [...document.errors, ...document.warnings]) {
    // The parser's own text after the first line quotes the file, where a password may stand.
    const sentence = error.message.split(/\sat line \d+|\n/)[0] ?? 'not YAML';
    reader.problems.push({
      message: `not valid YAML: ${sentence}`,
      location: locationAt(reader, error.pos[0]),
      hint: 'correct the line named; strings with special characters need quotes',
    });
  }
}

/** Reads YAML 1.2 or JSON into nodes with locations, running nothing: tags and aliases are refused, keys are never properties. */
export async function parseFile(text: string, shown: string): Promise<ParsedFile> {
  const yaml = await import('./late/yaml.ts');
  if (text.length > largestFile) {
    return {
      root: null,
      problems: [
        {
          message: `${shown} is larger than 256 KB`,
          location: { file: shown },
          hint: 'name the right file with --config',
        },
      ],
    };
  }
  const lines = new yaml.LineCounter();
  const reader: Reader = { yaml, shown, lines, problems: [] };
  try {
    const document = yaml.parseDocument(text, {
      lineCounter: lines,
      version: '1.2',
      merge: false,
      prettyErrors: false,
    });
    syntaxProblems(reader, document);
    if (reader.problems.length > 0) return { root: null, problems: reader.problems };
    if (document.contents === null) return { root: null, problems: [] };
    const root = toNode(reader, document.contents, { file: shown, line: 1, column: 1 }, 0);
    return { root, problems: reader.problems };
  } catch (error) {
    // The parser recurses: some thousand brackets exhaust the stack.
    if (!(error instanceof RangeError)) throw error;
    return {
      root: null,
      problems: [{ message: 'nested too deep', location: { file: shown }, hint: 'see .pulsemigraterc.example' }],
    };
  }
}
