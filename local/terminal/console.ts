import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Text for the terminal: short lines, with colours and a status line if the output is a terminal. */
export class Console {
  readonly #output: NodeJS.WriteStream;
  readonly #errors: NodeJS.WriteStream;
  readonly #isInPlace: boolean;
  readonly #hasColours: boolean;
  #status = '';

  constructor(output: NodeJS.WriteStream, errors: NodeJS.WriteStream, env: NodeJS.ProcessEnv) {
    this.#output = output;
    this.#errors = errors;
    this.#isInPlace = output.isTTY && env['CI'] === undefined;
    this.#hasColours = output.isTTY && env['NO_COLOR'] === undefined;
    // A pipe that nobody reads any more must not end what is running.
    for (const stream of [output, errors]) stream.on('error', () => undefined);
  }

  line(text = ''): void {
    this.#clear();
    this.#output.write(`${text}\n`);
    this.#draw();
  }

  error(text: string): void {
    this.#clear();
    this.#errors.write(`${text}\n`);
  }

  style(style: Style, text: string): string {
    return this.#hasColours ? styleText(style, text) : text;
  }

  /** Runs a step, then prints one line: its name, how long it took, and what `describe` returns for the result. */
  async step<T>(name: string, work: () => Promise<T>, describe: (result: T) => string = () => ''): Promise<T> {
    const startedAt = Date.now();
    try {
      const result = await work();
      const seconds = `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
      const mark = this.style('green', '✓');
      this.line(
        `  ${mark} ${name.padEnd(12)} ${this.style('dim', seconds.padStart(6))}   ${describe(result)}`.trimEnd(),
      );
      return result;
    } catch (error) {
      this.line(`  ${this.style('red', '✗')} ${name}`);
      throw error;
    }
  }

  /** Shows the text in a line that the next status replaces. Without a terminal, each new status is a line of its own. */
  status(text: string): void {
    if (text === this.#status) return;
    if (!this.#isInPlace) {
      this.#status = text;
      if (text !== '') this.#output.write(`${text}\n`);
      return;
    }
    this.#clear();
    this.#status = text;
    this.#draw();
  }

  /** A table of names and values. */
  pairs(rows: readonly (readonly [name: string, value: string])[]): void {
    const width = Math.max(...rows.map(([name]) => name.length));
    for (const [name, value] of rows) this.line(`  ${this.style('bold', name.padEnd(width))}   ${value}`);
  }

  #clear(): void {
    if (this.#isInPlace && this.#status !== '') this.#output.write('\r\u001b[2K');
  }

  #draw(): void {
    if (this.#isInPlace && this.#status !== '') this.#output.write(this.#status);
  }
}
