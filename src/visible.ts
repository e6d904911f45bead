/** A name as it can stand in a line of text: what would end the line, steer a terminal or turn the order of letters is written as an escape. */
export function visible(name: string): string {
  return name.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, '0')}`;
  });
}

/** Whether a name holds a character that ends a line or steers a terminal. */
export function holdsControls(name: string): boolean {
  return /[\p{Cc}\u2028\u2029]/u.test(name);
}
