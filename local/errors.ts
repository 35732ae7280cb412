/** The message tells the person at the terminal what happened and, where something can be done, what. */
export class StackError extends Error {
  override readonly name = 'StackError';
}

/** Whether an error has one of these codes of the operating system, of Node or of Postgres. */
export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
