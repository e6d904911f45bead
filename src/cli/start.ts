import { fstatSync, readFileSync, statSync, writeSync } from 'node:fs';
import { toolVersion } from '../version.ts';

/**
 * The first file of the program. What needs no more than a text is answered here, which is as fast as Node itself; for
 * everything else main.ts is loaded, which would say the same.
 */
export async function main(): Promise<void> {
  const text = answerTo(process.argv.slice(2));
  const rest = text === null ? null : writeAtOnce(text);
  if (rest === '') return;
  const { main, standardOutput } = await import('./main.ts');
  if (rest === null) await main();
  else standardOutput().write(rest);
}

function answerTo([argument, ...others]: readonly string[]): string | null {
  if (others.length > 0) return null;
  if (argument === '--version') return `${toolVersion}\n`;
  return argument === '--help' && !mayBeTerminal() ? helpText() : null;
}

/** Only a terminal has a width of its own. To ask for certain would load Node's network. */
function mayBeTerminal(): boolean {
  const facts = fstatSync(1);
  return facts.isCharacterDevice() && facts.rdev !== statSync('/dev/null').rdev;
}

/** What the build had main.ts say; null in a build that is not complete yet. */
function helpText(): string | null {
  try {
    return readFileSync(new URL('help.txt', import.meta.url), 'utf8');
  } catch {
    return null;
  }
}

/** What is left to be written, or null where nothing could be: a pipe may be full, a reader gone, a disk full. */
function writeAtOnce(text: string): string | null {
  const bytes = Buffer.from(text);
  try {
    return bytes.subarray(writeSync(1, bytes)).toString();
  } catch {
    return null;
  }
}
