import type { Session } from '../../postgres/session.ts';
import type { RunProgram } from '../../programs.ts';
import { findDataDirectory, freeSpace } from './places.ts';

/** Free bytes of the disk with the data directory, or why they are not known. */
export type FreeDisk =
  | { readonly freeBytes: number }
  | { readonly freeBytes: null; readonly why: string; readonly hint: string | null };

/** Measures it where the server is on this host, and else asks the operator's own command where there is one. */
export async function freeDisk(session: Session, command: string | null, run: RunProgram): Promise<FreeDisk> {
  const found = await findDataDirectory(session);
  if ('path' in found) return { freeBytes: (await freeSpace(found.path)).freeBytes };
  if (command === null) return { freeBytes: null, why: found.reason, hint: withoutCommand(found.hint) };
  return askCommand(command, run);
}

/** What to type where the data directory cannot be looked at. */
export function withoutCommand(hint: string | null): string {
  return `${hint === null ? '' : `${hint}, or `}set checks.freeSpaceCommand to a command that prints the free bytes of the server's data disk`;
}

/** The answer of the operator's command: digits and nothing else. */
export async function askCommand(command: string, run: RunProgram): Promise<FreeDisk> {
  const { exitCode, stdout, stderr } = await run(command, [], { shell: true, timeoutMs: 30_000 });
  const answer = stdout.trim();
  const said = stderr.trim() === '' ? '' : `: ${stderr.trim().slice(0, 300)}`;
  if (exitCode !== 0) return noAnswer(`ended with exit code ${exitCode}${said}`);
  if (!/^\d{1,18}$/.test(answer)) {
    return noAnswer(`printed "${answer.slice(0, 100)}" where a number of bytes was expected`);
  }
  return { freeBytes: Number(answer) };
}

function noAnswer(reason: string): FreeDisk {
  return {
    freeBytes: null,
    why: `checks.freeSpaceCommand ${reason}`,
    hint: 'let checks.freeSpaceCommand print the free bytes of the data disk, digits only, and end with exit code 0',
  };
}
