/** Checks a parsed configuration file against the table of keys and hands out its values with their lines. */
import { closestName } from '../closest-name.ts';
import type { Location, Problem } from '../errors.ts';
import type { FileEntry, FileNode } from './file-node.ts';
import { type ConfigurationKey, configurationKeys, environmentsKey } from './schema.ts';

export interface FileValue {
  readonly raw: unknown;
  readonly location: Location;
}

/** Values by full name of the key: `backup.policy`. */
export type ValuesByName = ReadonlyMap<string, FileValue>;

export interface FileValues {
  readonly top: ValuesByName;
  readonly environments: ReadonlyMap<string, ValuesByName>;
  readonly problems: readonly Problem[];
}

interface Check {
  readonly values: Map<string, FileValue>;
  readonly problems: Problem[];
}

const keyNames = configurationKeys.map(({ name }) => name);
const sectionNames = [
  ...new Set(keyNames.filter((name) => name.includes('.')).map((name) => name.split('.')[0] ?? '')),
];

/** What may stand at one level: the next part of every name that begins with `prefix`. */
function namesUnder(prefix: string): string[] {
  const parts = keyNames
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length).split('.')[0] ?? '');
  return [...new Set(parts)];
}

function plainValue(node: FileNode): unknown {
  if (node.kind === 'scalar') return node.value;
  // A Map: a key named __proto__ is a key like any other.
  if (node.kind === 'section') return new Map(node.entries.map(({ name, node: inner }) => [name, plainValue(inner)]));
  return node.items.map(plainValue);
}

/** Where a part of a value stands: the key itself, so that one whose value is missing is found too. */
function locationOf(node: FileNode, path: readonly string[]): Location {
  let [at, inside] = [node.location, node];
  for (const step of path) {
    if (inside.kind === 'list') {
      inside = inside.items[Number(step)] ?? inside;
      at = inside.location;
    } else if (inside.kind === 'section') {
      const entry = inside.entries.find(({ name }) => name === step);
      if (entry === undefined) break;
      [at, inside] = [entry.location, entry.node];
    }
  }
  return at;
}

function unknownKey(entry: FileEntry, where: string, known: readonly string[]): Problem {
  const meant = closestName(entry.name, known);
  return {
    message: `unknown key "${entry.name}"${where}`,
    hint: meant === null ? `keys known here: ${known.join(', ')}` : `did you mean "${meant}"?`,
    location: entry.location,
  };
}

function checkValue(
  check: Check,
  key: ConfigurationKey<unknown>,
  shown: string,
  node: FileNode,
  keyLocation: Location,
) {
  const raw = plainValue(node);
  if (raw === null) {
    check.problems.push({
      message: `${shown} is empty`,
      hint: 'give it a value or remove the line',
      location: keyLocation,
    });
    return;
  }
  const reading = key.read(raw);
  if (reading.ok) {
    check.values.set(key.name, { raw, location: node.location });
    return;
  }
  for (const { problem, hint, at = [] } of [reading, ...(reading.others ?? [])]) {
    const name = [shown, ...at].join('.');
    check.problems.push({
      message: `${name} ${problem}`,
      hint: hint ?? `${shown}: ${key.description}`,
      location: locationOf(node, at),
    });
  }
}

/** One level of keys; `label` is how the level is called in messages: '', 'backup.', 'environments.production.'. */
function checkSection(
  check: Check,
  entries: readonly FileEntry[],
  prefix: string,
  label: string,
  extra: readonly string[],
) {
  const known = [...namesUnder(prefix), ...extra];
  for (const entry of entries) {
    if (prefix === '' && extra.includes(entry.name)) continue;
    const name = prefix + entry.name;
    const key = configurationKeys.find((candidate) => candidate.name === name);
    if (key) {
      checkValue(check, key, label + entry.name, entry.node, entry.location);
    } else if (prefix === '' && sectionNames.includes(entry.name)) {
      checkInner(check, entry, `${name}.`, `${label}${entry.name}.`);
    } else {
      check.problems.push(unknownKey(entry, label === '' ? '' : ` in ${label.slice(0, -1)}`, known));
    }
  }
}

function sectionEntries(check: Check, node: FileNode, shown: string): readonly FileEntry[] {
  if (node.kind === 'section') return node.entries;
  // All lines below a heading commented out leave the heading with nothing: that is a section without keys.
  if (node.kind === 'scalar' && node.value === null) return [];
  check.problems.push({
    message: `${shown} must hold keys of its own`,
    hint: 'write one key a line, indented below it; see .pulsemigraterc.example',
    location: node.location,
  });
  return [];
}

function checkInner(check: Check, entry: FileEntry, prefix: string, label: string) {
  checkSection(check, sectionEntries(check, entry.node, label.slice(0, -1)), prefix, label, []);
}

/** All values of a file, and all its problems at once, each with its line. Pure. */
export function checkFileValues(root: FileNode | null): FileValues {
  const problems: Problem[] = [];
  const top: Check = { values: new Map(), problems };
  const environments = new Map<string, ValuesByName>();
  const entries = root === null ? [] : sectionEntries(top, root, 'the file');
  checkSection(top, entries, '', '', [environmentsKey]);
  const section = entries.find(({ name }) => name === environmentsKey);
  if (section) {
    for (const entry of sectionEntries(top, section.node, environmentsKey)) {
      const label = `${environmentsKey}.${entry.name}.`;
      const own: Check = { values: new Map(), problems };
      checkSection(own, sectionEntries(own, entry.node, label.slice(0, -1)), '', label, []);
      environments.set(entry.name, own.values);
    }
  }
  const line = ({ location }: Problem) => (location?.line ?? 0) * 1e6 + (location?.column ?? 0);
  return { top: top.values, environments, problems: problems.toSorted((a, b) => line(a) - line(b)) };
}
