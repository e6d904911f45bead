import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The environment without what the npm that started us put there for its own use. */
export function npmEnvironment() {
  const own = /^(?:INIT_CWD$|npm_(?!config_(?:registry|cache|userconfig|globalconfig)$))/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
}

/** What lies in `node_modules` of a folder: `{ packages, mebibytes }`, by the sizes of the files. */
export async function installedSize(directory) {
  const modules = join(directory, 'node_modules');
  let [packages, bytes] = [0, 0];
  for (const entry of await readdir(modules, { recursive: true, withFileTypes: true })) {
    const folder = entry.parentPath ?? entry.path;
    if (entry.isFile()) bytes += (await stat(join(folder, entry.name))).size;
    const isPackage = /node_modules(\/@[^/]+)?$/.test(folder) && entry.isDirectory();
    if (isPackage && !entry.name.startsWith('@') && !entry.name.startsWith('.')) packages += 1;
  }
  return { packages, mebibytes: bytes / 1024 / 1024 };
}
