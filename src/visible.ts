/** A name as it can stand in a line of text: what would end the line or steer a terminal is written as an escape. */
export function visible(name: string): string {
  if (!holdsControls(name)) return name;
  return name.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, '0')}`;
  });
}

/** Whether a name holds a character that `visible` would write as an escape. */
export function holdsControls(name: string): boolean {
  return /[\p{Cc}\u2028\u2029]/u.test(name);
}
