/** Words that stand before the table's name. */
const skipped = new Set(['ALTER', 'TABLE', 'MATERIALIZED', 'VIEW', 'IF', 'EXISTS', 'ONLY', 'UPDATE']);

/**
 * Every name in the tokens of a statement, dotted or not, as the catalog spells its parts; `a.b` may be table b of
 * schema a, or column b of table a, so that both stand there.
 */
export function namesIn(tokens: readonly string[]): string[][] {
  return tokens.flatMap((token, at) => {
    const first = nameOf(token);
    if (first === null || skipped.has(token) || tokens[at - 1] === '.') return [];
    const second = tokens[at + 1] === '.' ? nameOf(tokens[at + 2] ?? '') : null;
    return second === null ? [[first]] : [[first, second], [first]];
  });
}

/** All that stands behind the first such word; nothing where there is none. */
export function after(tokens: readonly string[], keyword: string): readonly string[] {
  const at = tokens.indexOf(keyword);
  return at < 0 ? [] : tokens.slice(at + 1);
}

/** The name as the catalog spells it, or null for a token that is none: only ASCII letters are folded. */
function nameOf(token: string): string | null {
  if (/^"./.test(token)) return token.slice(1, -1).replaceAll('""', '"');
  if (!/^[A-Z_\u0080-\uffff][^'"]*$/.test(token)) return null;
  return token.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
