/** The last line of defence at the edge: takes secrets out of any text before it is shown or written. */
import type { ConnectionParameters } from '../postgres/connection-parameters.ts';

const placeholder = '[secret]';

/**
 * Shorter ones are left to the patterns: a password of three letters would cut every other word to pieces, and
 * by the holes show what it is.
 */
const shortestSecret = 4;

const patterns: readonly (readonly [RegExp, string])[] = [
  // postgresql://user:password@host, up to the last @ before a blank or a quote, since the password may hold one.
  [/(:\/\/[^\s:/@'"]*):[^\s'"]*@/g, `$1:${placeholder}@`],
  // ALTER ROLE … PASSWORD 'text', with E'', doubled quotes and dollar quotes; the query of another session may be cut
  // in the middle of it.
  [/(\bPASSWORD\s+)(?:E?'(?:[^'\\]|''|\\(?:[\s\S]|$))*(?:'|$)|\$(\w*)\$[\s\S]*?(?:\$\2\$|$))/gi, `$1${placeholder}`],
  // password=… in keyword strings, queries of URLs and subscriptions, where quotes within SQL are doubled.
  [
    /(\b(?:ssl)?password\s*=\s*)(?:''[^']+(?:''|$)|'(?:[^'\\]|\\(?:[\s\S]|$))*(?:'|$)|"[^"]*(?:"|$)|[^\s'"&]+)/gi,
    `$1${placeholder}`,
  ],
];

/** The forms a secret takes in other texts: as it is, escaped for a URL, doubled quotes for SQL, escaped for JSON. */
function formsOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  return [secret, encodeURIComponent(secret), secret.replaceAll("'", "''"), json];
}

/** `text` without the secrets (of four characters and more) and without whatever stands where a password stands in a URL, keyword string or PASSWORD clause. */
export function redactText(text: string, secrets: readonly string[]): string {
  let redacted = text;
  for (const [pattern, replacement] of patterns) redacted = redacted.replaceAll(pattern, replacement);
  return withoutSecrets(redacted, secrets);
}

/**
 * `text` without the secrets alone. For a script that is to be run: with a PASSWORD clause of the user's own file
 * taken out it would be another script, and that clause is no secret of ours.
 */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  let redacted = text;
  const forms = secrets.filter(({ length }) => length >= shortestSecret).flatMap(formsOf);
  // Longest first: a secret may be part of another one.
  for (const form of forms.toSorted((a, b) => b.length - a.length)) redacted = redacted.replaceAll(form, placeholder);
  return redacted;
}

/**
 * The secrets of a connection for `redactText`. A password equal to the role's or the database's name is left out:
 * the name may be shown, and `pulse` taken out of every sentence would tell more than it hides.
 */
export function secretsOf(parameters: ConnectionParameters): string[] {
  const passwords = [...parameters.hosts.map(({ password }) => password), parameters.sslpassword];
  const names = [parameters.user, parameters.database];
  const revealed = passwords.flatMap((password) => (password === null ? [] : [password.reveal()]));
  return [...new Set(revealed)].filter((secret) => !names.includes(secret));
}
