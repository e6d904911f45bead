import { PulseError } from '../errors.ts';
import type { RunProgram } from '../programs.ts';

/** Paths or names of the two client programs a backup needs. */
export interface ClientTools {
  readonly pgDump: string;
  readonly pgRestore: string;
}

/** Found through PATH. */
export const toolsInPath: ClientTools = { pgDump: 'pg_dump', pgRestore: 'pg_restore' };

/** A client program's version as it spells it: `15.18 (Debian …)`, and the major of it. */
interface ToolVersion {
  readonly major: number;
  readonly text: string;
}

/** What `pg_dump --version` says, or the reason why it says nothing usable. */
async function toolVersion(run: RunProgram, program: string): Promise<ToolVersion | { readonly reason: string }> {
  const { exitCode, stdout, stderr } = await run(program, ['--version'], { timeoutMs: 10_000 });
  if (exitCode === 127) return { reason: `${program} was not found` };
  const version = /\(PostgreSQL\) ((\d+)\S*)/.exec(stdout);
  if (exitCode !== 0 || version === null) {
    return {
      reason: `${program} --version failed: ${(stderr || stdout).trim().slice(0, 300) || `exit code ${exitCode}`}`,
    };
  }
  return { major: Number(version[2]), text: version[1] ?? '' };
}

/** The major of a `server_version_num`: 150018 is 15. */
function majorOf(serverVersion: number): number {
  return Math.floor(serverVersion / 10_000);
}

/** Why these tools cannot back up a server of that version, or null; pg_dump refuses a server newer than itself. */
export async function whyToolsDoNotFit(
  run: RunProgram,
  tools: ClientTools,
  serverVersion: number,
): Promise<{ readonly reason: string } | { readonly pgDump: ToolVersion }> {
  const pgDump = await toolVersion(run, tools.pgDump);
  if ('reason' in pgDump) return pgDump;
  const server = majorOf(serverVersion);
  if (pgDump.major < server)
    return { reason: `pg_dump is ${pgDump.text}, too old for this server of PostgreSQL ${server}` };
  const pgRestore = await toolVersion(run, tools.pgRestore);
  if ('reason' in pgRestore) return pgRestore;
  if (pgRestore.major < pgDump.major) {
    return { reason: `pg_restore is ${pgRestore.text}, too old to read what pg_dump ${pgDump.text} writes` };
  }
  return { pgDump };
}

/** What to install, with the names the two big families of distributions give the package. */
export function installHint(serverVersion: number): string {
  const major = majorOf(serverVersion);
  return `install the client tools of PostgreSQL ${major} or later (apt-get install postgresql-client-${major}, dnf install postgresql${major}), or make the backup yourself and add --backup-done`;
}

/**
 * The version of pg_dump, once it is known that the tools can back the server up.
 * @throws {PulseError} `client-tool-missing`.
 */
export async function requireTools(run: RunProgram, tools: ClientTools, serverVersion: number): Promise<ToolVersion> {
  const fit = await whyToolsDoNotFit(run, tools, serverVersion);
  if ('reason' in fit) throw new PulseError('client-tool-missing', fit.reason, { hint: installHint(serverVersion) });
  return fit.pgDump;
}
