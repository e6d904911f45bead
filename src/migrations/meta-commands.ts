import type { TextProblem } from './migration.ts';
import type { SourceText } from './source-text.ts';

const remedies: Readonly<Record<string, string>> = {
  '\\.': 'a line \\. ends the data of COPY … FROM stdin; delete it, or see where the COPY above it ends',
  '\\c': 'delete the line: the database is chosen with --database-url',
  '\\connect': 'delete the line: the database is chosen with --database-url',
  '\\copy': 'write COPY … FROM stdin; with the data below it and a line \\. at the end',
  '\\crosstabview': 'end the statement with a semicolon instead',
  '\\encoding': 'save the file as UTF-8 and delete the line',
  '\\g': 'end the statement with a semicolon instead',
  '\\gexec': 'write a DO block that runs the generated statements with EXECUTE',
  '\\gset': 'write the values into the statements: variables of psql are not replaced',
  '\\gx': 'end the statement with a semicolon instead',
  '\\i': 'put the content of that file here',
  '\\if': 'write the condition as a DO block',
  '\\include': 'put the content of that file here',
  '\\include_relative': 'put the content of that file here',
  '\\ir': 'put the content of that file here',
  '\\set': 'write the value where it is used: variables of psql are not replaced',
};

/** The name of the psql command at `offset`: the backslash and what follows up to white space. */
export function metaCommandWord(text: SourceText, offset: number): string {
  return /^\\[^\s;\\]{0,39}/.exec(text.slice(offset, offset + mostOfWord))?.[0] ?? '';
}

const mostOfWord = 200;

/** A backslash outside quotes can only be meant for psql: the server's grammar has no use for one. */
export function metaCommandProblem(word: string, offset: number): TextProblem {
  return {
    offset,
    message: `${word} is a command of psql; the server does not understand it`,
    hint: remedies[word] ?? 'delete the line, or write what it does in SQL',
  };
}
