import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** What the terminal shows: short lines, in colour and in place where it is one. */
export class Console {
  readonly #inPlace = process.stdout.isTTY && process.env['CI'] === undefined;
  readonly #coloured = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
  #status = '';

  constructor() {
    // Nobody reads any more (a closed pipe): no reason to end what is running.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  }

  line(text = ''): void {
    this.#clear();
    process.stdout.write(`${text}\n`);
    this.#draw();
  }

  error(text: string): void {
    this.#clear();
    process.stderr.write(`${text}\n`);
  }

  style(style: Style, text: string): string {
    return this.#coloured ? styleText(style, text) : text;
  }

  /** Runs a step and prints one line when it is done: its name, its time, and what it has to say. */
  async step<T>(name: string, work: () => Promise<T>, say: (result: T) => string = () => ''): Promise<T> {
    const startedAt = Date.now();
    try {
      const result = await work();
      const took = `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
      this.line(
        `  ${this.style('green', '✓')} ${name.padEnd(12)} ${this.style('dim', took.padStart(6))}   ${say(result)}`.trimEnd(),
      );
      return result;
    } catch (error) {
      this.line(`  ${this.style('red', '✗')} ${name}`);
      throw error;
    }
  }

  /** A line that changes: in place on a terminal, elsewhere a line of its own each time that it differs. */
  status(text: string): void {
    if (text === this.#status) return;
    if (!this.#inPlace) {
      this.#status = text;
      if (text !== '') process.stdout.write(`${text}\n`);
      return;
    }
    this.#clear();
    this.#status = text;
    this.#draw();
  }

  /** Rows of a name and a value, the values below each other. */
  pairs(rows: readonly (readonly [name: string, value: string])[]): void {
    const width = Math.max(...rows.map(([name]) => name.length));
    for (const [name, value] of rows) this.line(`  ${this.style('bold', name.padEnd(width))}   ${value}`);
  }

  #clear(): void {
    if (this.#inPlace && this.#status !== '') process.stdout.write('\r\u001b[2K');
  }

  #draw(): void {
    if (this.#inPlace && this.#status !== '') process.stdout.write(this.#status);
  }
}
