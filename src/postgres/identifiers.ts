/** Names and values as SQL text. The only place that quotes; held against the server's own functions by tests. */

/**
 * An identifier in double quotes. Always quoted: a list of reserved words would have to follow every server version.
 * @throws {RangeError} for a NUL byte, which no PostgreSQL name can hold, or an empty name.
 */
export function quoteIdentifier(name: string): string {
  if (name.length === 0) throw new RangeError('an identifier cannot be empty');
  if (name.includes('\0')) throw new RangeError('an identifier cannot hold a NUL character');
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * A string literal that reads the same whatever standard_conforming_strings says: a backslash forces the E'' form
 * (manual, "String Constants with C-Style Escapes").
 * @throws {RangeError} for a NUL byte, which no PostgreSQL text can hold.
 */
export function quoteLiteral(value: string): string {
  if (value.includes('\0')) throw new RangeError('a text value cannot hold a NUL character');
  const doubled = value.replaceAll("'", "''");
  return value.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}
