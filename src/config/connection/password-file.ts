/** `.pgpass`: passwords by host, port, database and user (manual, "The Password File"). */

export interface PasswordQuestion {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

interface Field {
  readonly text: string;
  /** Whether it stands there as a bare `*`; `\*` means the character. */
  readonly any: boolean;
}

function fieldsOf(line: string): Field[] {
  const fields: Field[] = [];
  let text = '';
  let start = 0;
  for (let at = 0; at <= line.length; at++) {
    if (at === line.length || line[at] === ':') {
      fields.push({ text, any: line.slice(start, at) === '*' });
      text = '';
      start = at + 1;
    } else {
      if (line[at] === '\\' && at + 1 < line.length) at++;
      text += line.charAt(at);
    }
  }
  return fields;
}

/** The password of the first line that fits, or null. Pure. */
export function findPassword(text: string, question: PasswordQuestion): string | null {
  const wanted = [question.host, String(question.port), question.database, question.user];
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    const fields = fieldsOf(line.replace(/\r$/, ''));
    const password = fields[4];
    if (password === undefined) continue;
    if (wanted.every((value, index) => fields[index]?.any || fields[index]?.text === value)) return password.text;
  }
  return null;
}
