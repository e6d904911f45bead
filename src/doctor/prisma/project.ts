import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The two packages of Prisma whose versions must be one. */
export const prismaPackages = ['prisma', '@prisma/client'] as const;
type PrismaPackage = (typeof prismaPackages)[number];

/** What the files of a project say about Prisma. Nothing is executed: package.json and a line of generated code are read. */
export interface PrismaProject {
  /** True where package.json names one of the packages, or a schema lies at its usual place. */
  readonly used: boolean;
  /** Ranges in package.json: `^5.22.0`. */
  readonly declared: ReadonlyMap<PrismaPackage, string>;
  /** Versions in node_modules. */
  readonly installed: ReadonlyMap<PrismaPackage, string>;
  /** The version that generated the client from the schema, or null when none was generated. */
  readonly generated: string | null;
}

/** A file that is there but says nothing usable. */
export class UnreadableFile extends Error {
  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`);
    this.name = 'UnreadableFile';
  }
}

const fields = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'] as const;

/**
 * Reads what is known about Prisma in a project.
 * @throws {UnreadableFile} for a package.json that cannot be read or understood.
 */
export async function readPrismaProject(directory: string): Promise<PrismaProject> {
  const manifest = await readJson(join(directory, 'package.json'));
  const declared = new Map<PrismaPackage, string>();
  for (const name of prismaPackages) {
    const range = fields.map((field) => record(manifest?.[field])[name]).find((value) => typeof value === 'string');
    if (typeof range === 'string') declared.set(name, range);
  }
  const schema = await schemaThere(directory, record(manifest?.['prisma'])['schema']);
  if (declared.size === 0 && !schema) return { used: false, declared, installed: new Map(), generated: null };
  const installed = new Map<PrismaPackage, string>();
  for (const name of prismaPackages) {
    const found = await installedVersion(directory, name);
    if (found !== null) installed.set(name, found);
  }
  return { used: true, declared, installed, generated: await generatedVersion(directory) };
}

/** A package as Node finds it: in the node_modules of the project or of a directory above it (workspaces). */
async function installedVersion(directory: string, name: string): Promise<string | null> {
  for (const place of upwards(directory)) {
    const path = join(place, 'node_modules', name, 'package.json');
    const manifest = await readJson(path);
    if (manifest === null) continue;
    if (typeof manifest['version'] !== 'string') throw new UnreadableFile(path, 'it names no version');
    return manifest['version'];
  }
  return null;
}

/** The generated client says in its own code which version made it. */
async function generatedVersion(directory: string): Promise<string | null> {
  for (const place of upwards(directory)) {
    const code = await readText(join(place, 'node_modules', '.prisma', 'client', 'index.js'));
    if (code === null) continue;
    return (
      /"clientVersion":\s*"([^"]+)"/.exec(code)?.[1] ??
      /prismaVersion\s*=\s*\{\s*client:\s*"([^"]+)"/.exec(code)?.[1] ??
      null
    );
  }
  return null;
}

async function schemaThere(directory: string, configured: unknown): Promise<boolean> {
  const places = [
    'prisma/schema.prisma',
    'schema.prisma',
    'prisma/schema',
    ...(typeof configured === 'string' ? [configured] : []),
  ];
  const found = await Promise.all(places.map((place) => stat(join(directory, place)).catch(() => null)));
  return found.some((entry) => entry !== null);
}

function upwards(directory: string): string[] {
  const above = dirname(directory);
  return above === directory ? [directory] : [directory, ...upwards(above)];
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new UnreadableFile(path, code ?? 'it cannot be read');
  }
}

async function readJson(path: string): Promise<Readonly<Record<string, unknown>> | null> {
  const text = await readText(path);
  if (text === null) return null;
  try {
    return record(JSON.parse(text.replace(/^\uFEFF/, '')));
  } catch {
    throw new UnreadableFile(path, 'it is not JSON');
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
