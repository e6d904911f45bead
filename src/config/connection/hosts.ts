import type { Problem } from '../../errors.ts';

export interface HostTexts {
  readonly host: string | null;
  readonly hostaddr: string | null;
  readonly port: string | null;
}

export interface Host {
  readonly host: string;
  readonly hostaddr: string | null;
  readonly port: number;
}

const defaultPort = 5432;
const list = (text: string | null) => (text === null ? [] : text.split(',').map((entry) => entry.trim()));

type Shown = (parameter: string) => string;

function portOf(text: string, shown: Shown, problems: Problem[]): number {
  if (text === '') return defaultPort;
  const port = /^\+?\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  problems.push({
    message: `${shown('port')} is not a number from 1 to 65535`,
    hint: `the usual port is ${defaultPort}`,
  });
  return defaultPort;
}

/** Lists of hosts, addresses and ports put side by side: as many ports as hosts, or one for all (manual, "Specifying Multiple Hosts"). Pure. */
export function resolveHosts(
  texts: HostTexts,
  socketDirectory: string,
  shown: Shown = (parameter) => parameter,
): { hosts: readonly Host[]; problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const names = list(texts.host);
  const addresses = list(texts.hostaddr);
  const ports = list(texts.port);
  const count = Math.max(1, names.length, addresses.length);
  if (names.length > 0 && addresses.length > 0 && names.length !== addresses.length) {
    problems.push({
      message: `there are ${names.length} names (${shown('host')}) and ${addresses.length} addresses (${shown('hostaddr')})`,
      hint: 'give one address for each host, in the same order',
    });
  }
  if (ports.length > 1 && ports.length !== count) {
    problems.push({
      message: `there are ${ports.length} ports (${shown('port')}) and ${count} hosts`,
      hint: 'give one port for all hosts, or one for each in the same order',
    });
  }
  const readPorts = (ports.length === 0 ? [''] : ports).map((port) => portOf(port, shown, problems));
  const hosts = Array.from({ length: count }, (_, index): Host => {
    const hostaddr = addresses[index] || null;
    const host = names[index] || hostaddr || socketDirectory;
    if (host.startsWith('@')) {
      problems.push({
        message: `${shown('host')} begins with "@": abstract Unix sockets are not supported`,
        hint: 'give the directory of the socket',
      });
    }
    return { host, hostaddr, port: readPorts[index] ?? readPorts[0] ?? defaultPort };
  });
  return { hosts, problems };
}
