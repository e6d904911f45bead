/** `pg_service.conf`: named groups of connection parameters (manual, "The Connection Service File"). */
import type { Problem } from '../../errors.ts';

export interface ServiceDefinition {
  /** Null when the file has no such service. */
  readonly values: ReadonlyMap<string, string> | null;
  readonly problems: readonly Problem[];
}

/** The parameters of one service. As in libpq the first group of that name counts, and the first of two equal keys in it. Pure. */
export function readService(text: string, service: string, shown: string): ServiceDefinition {
  const problems: Problem[] = [];
  let values: Map<string, string> | null = null;
  for (const [index, whole] of text.split('\n').entries()) {
    const line = whole.trim();
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('[')) {
      if (values !== null) break;
      if (line.startsWith(`[${service}]`)) values = new Map();
      continue;
    }
    if (values === null) continue;
    const location = { file: shown, line: index + 1 };
    const equals = line.indexOf('=');
    const name = line.slice(0, equals);
    if (line.startsWith('ldap')) {
      problems.push({
        message: 'the service is looked up in LDAP, which is not done here',
        hint: 'write its parameters into the file',
        location,
      });
    } else if (equals < 1) {
      problems.push({
        message: 'a line of the service is not of the form keyword=value',
        hint: 'correct the line',
        location,
      });
    } else if (name === 'service') {
      problems.push({ message: 'a service cannot name another service', hint: 'write the parameters out', location });
    } else if (!values.has(name)) {
      values.set(name, line.slice(equals + 1));
    }
  }
  return { values, problems };
}
