/** Tables of README.md that follow the code: each stands between two comments and is written by `npm run docs`. */

/** @param {readonly (readonly string[])[]} rows the first one is the head */
function table(rows) {
  // Between two dollars GitHub sees a formula, except in code.
  const cell = (text) => text.replaceAll('|', '\\|').replace(/\$+\{\w*\}?/g, '`$&`');
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;
  const [head, ...body] = rows;
  return [line(head), `|${head.map(() => ' --- |').join('')}`, ...body.map(line)].join('\n');
}

function configurationTable(keys) {
  return table([
    ['key', 'value', 'default', 'what it decides', 'flag or variable'],
    ...keys.map((key) => [
      `\`${key.name}\``,
      key.type,
      key.default,
      key.description,
      [key.flag?.name, key.variable].flatMap((name) => (name ? [`\`${name}\``] : [])).join(', '),
    ]),
  ]);
}

function exitCodeTable(exitCodes) {
  return table([['code', 'meaning'], ...exitCodes]);
}

function replaceBetween(text, name, content) {
  const [begin, end] = [`<!-- ${name}: written by npm run docs -->`, `<!-- /${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`README.md has no place for ${name}: ${begin} … ${end}`);
  return `${text.slice(0, from)}${begin}\n${content}\n${text.slice(to)}`;
}

/** The text of README.md with its tables as `tables` say. */
export function withTables(readme, { configurationKeys, exitCodes }) {
  const configured = replaceBetween(readme, 'configuration', configurationTable(configurationKeys));
  return replaceBetween(configured, 'exit codes', exitCodeTable(exitCodes));
}
