/** Finds the configuration file: in the current folder or by name, data only, never code, never a folder above. */
import { basename, extname, join, resolve } from 'node:path';
import { type Problem, PulseError } from '../errors.ts';
import { assertRegularFile, NotAFile, readRegularFile } from '../regular-file.ts';
import { type FileNode, parseFile } from './file-node.ts';
import { shownPath } from './shown-path.ts';

export interface ConfigurationFile {
  /** Absolute path. */
  readonly path: string;
  readonly shown: string;
  readonly root: FileNode | null;
  readonly problems: readonly Problem[];
}

const packageKey = 'pulse-migrate';
const ownNames = ['.pulsemigraterc', '.pulsemigraterc.json', '.pulsemigraterc.yaml', '.pulsemigraterc.yml'];
const codeFormats = new Set(['.js', '.cjs', '.mjs', '.jsx', '.ts', '.cts', '.mts', '.tsx']);

function errorCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  ENXIO: 'it is a socket',
  ENOTDIR: 'a part of its path is not a directory',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'the name is too long',
};

async function assertReadable(path: string, shown: string): Promise<void> {
  try {
    await assertRegularFile(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === null) throw error;
    const isOther = error instanceof NotAFile;
    const why = isOther ? `it is ${error.kind}, not a file` : (reasons[code] ?? code);
    throw new PulseError('config-invalid', `${shown} cannot be read: ${why}`, {
      hint: isOther
        ? 'write the configuration into a file and name that one'
        : `check that the file exists and that you may read it: ls -l ${shown}`,
      location: { file: shown },
      cause: error,
    });
  }
}

/** The names that are there. cosmiconfig passes over a file it may not read, and the command would run with defaults. */
async function ownFilesIn(directory: string): Promise<string[]> {
  const present: string[] = [];
  for (const name of ownNames) {
    try {
      await assertReadable(join(directory, name), name);
      present.push(name);
    } catch (error) {
      if (!(error instanceof PulseError && errorCode(error.cause) === 'ENOENT')) throw error;
    }
  }
  return present;
}

/** A package.json that cannot be read, or holds nothing for us, is not ours to judge. */
async function packageFilesIn(directory: string): Promise<string[]> {
  const name = 'package.json';
  const text = await readRegularFile(join(directory, name)).then(String, () => '');
  return mayConfigureUs(withoutMark(text)) ? [name] : [];
}

/** Where we are installed it names us among its dependencies too. What is no JSON is judged by who reads it in full. */
function mayConfigureUs(text: string): boolean {
  if (!text.includes(`"${packageKey}"`)) return false;
  try {
    const content: unknown = JSON.parse(text);
    return typeof content === 'object' && content !== null && packageKey in content;
  } catch {
    return true;
  }
}

function withoutMark(text: string): string {
  return text.replace(/^\uFEFF/, '');
}

async function explorer(searchPlaces: string[], shownFor: (path: string) => string) {
  const { Explorer } = await import('./late/explorer.ts');
  const read = async (path: string, text: string) => {
    const content = withoutMark(text);
    if (!/^package\./.test(basename(path))) return parseFile(content, shownFor(path));
    if (!mayConfigureUs(content)) return {};
    const { root, problems } = await parseFile(content, shownFor(path));
    const entry = root?.kind === 'section' ? root.entries.find(({ name }) => name === packageKey) : undefined;
    if (problems.length === 0 && entry === undefined) return {};
    return { [packageKey]: { root: entry?.node ?? null, problems } };
  };
  return new Explorer({
    moduleName: packageKey,
    packageProp: packageKey,
    searchPlaces,
    ignoreEmptySearchPlaces: false,
    searchStrategy: 'none',
    cache: false,
    loaders: { noExt: read, default: read, '.json': read, '.yaml': read, '.yml': read },
    transform: (result) => result,
    metaConfigFilePath: null,
    mergeImportArrays: false,
  });
}

function isParsed(config: unknown): config is { root: FileNode | null; problems: readonly Problem[] } {
  return typeof config === 'object' && config !== null && 'root' in config && 'problems' in config;
}

/**
 * The file named by `given` (a path from --config or PULSE_CONFIG, seen from `cwd`), or the one in `cwd`, or null.
 * @throws {PulseError} `config-invalid` for a file that is missing, unreadable, code, or one of two.
 */
export async function findConfigurationFile(cwd: string, given: string | null): Promise<ConfigurationFile | null> {
  const shownFor = (path: string) => shownPath(cwd, path);
  if (given !== null && codeFormats.has(extname(given))) {
    throw new PulseError(
      'config-invalid',
      `${given} is refused: a configuration is data, and this program runs no code from it`,
      {
        hint: 'write it as YAML or JSON: .pulsemigraterc, or a file that ends in .yaml, .yml or .json',
      },
    );
  }
  if (given !== null) await assertReadable(resolve(cwd, given), given);
  const present = given === null ? await ownFilesIn(cwd) : [];
  if (present.length > 1) {
    throw new PulseError('config-invalid', `there are two configuration files: ${present.join(' and ')}`, {
      hint: `keep one of them, or name the one to use: --config ${present[0]}`,
    });
  }
  const places = given === null && present.length === 0 ? await packageFilesIn(cwd) : present;
  // What reads a file is a third of what a command would load, and most projects have none.
  if (given === null && places.length === 0) return null;
  const finder = await explorer(places, shownFor);
  const found = given === null ? await finder.search(cwd) : await finder.load(resolve(cwd, given));
  if (found === null) {
    if (given === null) return null;
    throw new PulseError('config-invalid', `${given} has no key "${packageKey}"`, {
      hint: `add the key "${packageKey}" to it, or name another file with --config`,
    });
  }
  const parsed = isParsed(found.config) ? found.config : { root: null, problems: [] };
  return { path: found.filepath, shown: shownFor(found.filepath), root: parsed.root, problems: parsed.problems };
}
