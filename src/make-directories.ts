import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory and those above it, each with `mode`; nothing happens when it is there. Not Node's own recursive
 * mkdir: where the file system answers ENOENT although the parent exists (below /proc, say) that one never ends
 * (measured on Node 20). Throws what the file system says.
 */
export async function makeDirectories(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, mode);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST' && (await isDirectory(path))) return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path || (await isDirectory(parent))) throw error;
    await makeDirectories(parent, mode);
    await makeDirectories(path, mode);
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
