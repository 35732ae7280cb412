/** A text as one word of a command, in bash and in zsh. It gets quotes only if it needs them. */
export function shellWord(text: string): string {
  return /^[\w./:@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
