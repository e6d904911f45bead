import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** The directory of the package a bundled file belongs to, or null for a file of our own. */
function packageDirectory(path) {
  const match = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path);
  return match === null ? null : match[1];
}

async function notice(directory) {
  const { name, version, license } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'));
  const file = (await readdir(directory)).find((entry) => /^(?:un)?licen[cs]e/i.test(entry));
  const text = file === undefined ? `Licence: ${license}` : (await readFile(join(directory, file), 'utf8')).trim();
  return `${name} ${version} (${license})\n\n${text}`;
}

/** The licences of the packages whose code is inside the bundle, as most of them ask for; `sources` are its input files. */
export async function thirdPartyNotices(root, sources) {
  const directories = sources.map((source) => packageDirectory(resolve(root, source))).filter((path) => path !== null);
  const notices = await Promise.all([...new Set(directories)].sort().map(notice));
  const line = `\n\n${'-'.repeat(80)}\n\n`;
  return `pulse-migrate contains code of these packages.${line}${notices.join(line)}\n`;
}
