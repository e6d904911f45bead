/**
 * Puts chunks that are always loaded together into one file: Node looks for each file it requires in several ways, which
 * costs more than most chunks take to run. What a file holds stays apart in functions, as Node itself would run it.
 */
import { createHash } from 'node:crypto';
import { posix } from 'node:path';

/**
 * @typedef {{ name: string, code: string, entryPoint?: string, imports: readonly string[] }} Chunk its CommonJS text, and
 *   the names of the chunks that it requires at its start
 * @typedef {{ file: string, entryPoints: readonly string[] }} Group a file, and the sources that are loaded with it
 */

/**
 * The files to write. A chunk goes into the first group that needs it, and a group may require those before it alone;
 * chunks that no group needs stay files of their own.
 * @param {readonly Chunk[]} chunks
 * @param {readonly Group[]} groups
 * @returns {{ name: string, text: string }[]}
 */
export function joinChunks(chunks, groups) {
  const byName = new Map(chunks.map((chunk) => [chunk.name, chunk]));
  const fileOf = new Map();
  const files = groups.map(({ file, entryPoints }) => {
    const members = entryPoints.flatMap((entryPoint) => {
      const entry = chunks.find((chunk) => chunk.entryPoint === entryPoint);
      if (entry === undefined) throw new Error(`${entryPoint} is not loaded by itself any more`);
      return withImports(entry, byName, fileOf);
    });
    const name = file.replace('[hash]', () => hashOf(members));
    for (const member of members) fileOf.set(member.name, name);
    return { name, members };
  });
  const alone = chunks.filter(({ name }) => !fileOf.has(name));
  return [
    ...files.map(({ name, members }) => ({ name, text: textOf(name, members, fileOf) })),
    ...alone.map(({ name, code }) => ({ name, text: redirected(code, name, name, fileOf) })),
  ];
}

/** A chunk behind all it requires, without those that are in a file already; marks what it gives. */
function withImports(chunk, byName, fileOf) {
  if (fileOf.has(chunk.name)) return [];
  fileOf.set(chunk.name, null);
  return [...chunk.imports.flatMap((name) => withImports(byName.get(name), byName, fileOf)), chunk];
}

function hashOf(members) {
  const hash = createHash('sha256');
  for (const { code } of members) hash.update(code);
  return hash.digest('base64url').replaceAll(/[-_]/g, '').slice(0, 8).toUpperCase();
}

/** In brackets, so that V8 does not read each function twice: it is called at once. The last one speaks for the file. */
function textOf(file, members, fileOf) {
  const parts = members.map(({ name, code }) => {
    const key = JSON.stringify(name);
    const body = redirected(code, name, file, fileOf);
    return `(function(module,exports){${body}\n})(parts[${key}]={exports:{}},parts[${key}].exports);`;
  });
  const last = JSON.stringify(members.at(-1)?.name);
  return `"use strict";const parts={};${parts.join('\n')}\nmodule.exports={...parts[${last}].exports,parts};\n`;
}

/** `require` of a chunk as that of the file it is in now. */
function redirected(code, chunk, file, fileOf) {
  return code.replaceAll(/\brequire\("(\.{1,2}\/[^"]+\.cjs)"\)/g, (_, path) => {
    const wanted = posix.join(posix.dirname(chunk), path);
    const holder = fileOf.get(wanted);
    const part = `parts[${JSON.stringify(wanted)}].exports`;
    if (holder === file) return part;
    const from = posix.relative(posix.dirname(file), holder ?? wanted);
    const required = `require(${JSON.stringify(from.startsWith('.') ? from : `./${from}`)})`;
    return holder === undefined ? required : `${required}.${part}`;
  });
}
