/** The configuration is wrong. The message lists every problem, one a line, and quotes no secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** In alphabetical order, so by variable. */
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    const sorted = problems.toSorted();
    super(`The configuration is wrong:\n${sorted.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = sorted;
  }
}
