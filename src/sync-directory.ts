import { open } from 'node:fs/promises';

/** Without it a power cut may take the name of a file away whose content is on the disk. Throws what the file system says. */
export async function syncDirectory(directory: string): Promise<void> {
  const opened = await open(directory, 'r');
  try {
    await opened.sync();
  } finally {
    await opened.close();
  }
}
