import type { CostContent } from '../domain/day-content.ts';
import { addDecimals, centsToDollars, parseDecimal, toCanonical, type Decimal } from '../domain/money.ts';
import { writeDollars } from './amount.ts';
import { Numbers, QUOTE, Writer } from './bytes.ts';
import { digestOf, forEachSeries, type DayLines, type ReportRows } from './day.ts';
import { PageError } from './failure.ts';
import { Fields, type Field } from './fields.ts';
import { ID_BYTES } from './id-table.ts';
import { isNull, parseField } from './json.ts';
import { RowReader, type FieldTaker } from './row-reader.ts';
import { Values } from './value-table.ts';
import { SeriesOfReading } from './series.ts';

interface CostField extends Field {
  readonly isAmount: boolean;
}

/** The amounts of lines as text in dollars, one behind the other. */
interface CostLines extends DayLines {
  readonly amounts: Writer;
  readonly ends: Numbers;
}

const LINE_FEED = 10;

/** Reads rows of cost. Amounts, which the report gives in cents, become dollars. */
export class CostRows implements ReportRows<CostLines>, FieldTaker<CostField> {
  readonly opensObjects = false;
  readonly #fields = new Fields<CostField>((path, number) => ({ path, number, isAmount: path === 'amount' }));
  readonly series = new SeriesOfReading('cost', this.#fields.all);
  readonly #reader = new RowReader(this.#fields, this);
  readonly #dimensions = new Values();
  #amountFrom = -1;
  #amountTo = -1;
  #lines = this.none();

  none(): CostLines {
    return { series: new Numbers(), amounts: new Writer(1024), ends: new Numbers() };
  }

  read(body: Uint8Array, from: number, lines: CostLines): number {
    this.#lines = lines;
    return this.#reader.read(body, from);
  }

  begin(): void {
    this.#dimensions.clear();
    this.#amountFrom = -1;
  }

  take({ isAmount, number }: CostField, body: Uint8Array, from: number, to: number, hash: number): void {
    if (!isAmount) {
      if (isNull(body, from, to)) this.#dimensions.unset(number);
      else this.#dimensions.set(number, from, to, hash);
      return;
    }
    this.#amountFrom = from;
    this.#amountTo = to;
  }

  end(body: Uint8Array): void {
    const { series, amounts, ends } = this.#lines;
    series.push(this.series.placeOf(body, this.#dimensions));
    const isText = this.#amountFrom >= 0 && body[this.#amountFrom] === QUOTE;
    if (!isText || !writeDollars(body, this.#amountFrom + 1, this.#amountTo - 1, amounts))
      amounts.writeText(this.#parseAmount(body));
    ends.push(amounts.length);
  }

  join(lines: CostLines, more: CostLines): void {
    const before = lines.amounts.length;
    lines.series.pushAll(more.series);
    lines.amounts.write(more.amounts.bytes, 0, more.amounts.length);
    for (let line = 0; line < more.ends.length; line += 1) lines.ends.push(before + more.ends.at(line));
  }

  contentOf(lines: CostLines): CostContent {
    const series = new Numbers();
    const amounts = new Writer(lines.amounts.length);
    const ends = new Numbers();
    const digested = new Writer(lines.amounts.length + lines.ends.length * (ID_BYTES + 1));
    const notDollars: number[] = [];
    forEachSeries(lines, this.series, (order, from, to) => {
      const line = order[from] ?? 0;
      const place = lines.series.at(line);
      if (this.series.isNotDollars(place)) notDollars.push(series.length);
      series.push(place);
      const start = amounts.length;
      if (to - from === 1) amounts.write(lines.amounts.bytes, startOf(lines, line), lines.ends.at(line));
      else amounts.writeText(addDecimals([...order.subarray(from, to)].map((each) => amountOf(lines, each))));
      this.series.writeId(place, digested);
      digested.write(amounts.bytes, start, amounts.length);
      digested.writeByte(LINE_FEED);
      ends.push(amounts.length);
    });
    return {
      report: 'cost',
      series: series.taken(),
      amounts: amounts.taken(),
      ends: ends.taken(),
      notDollars,
      digest: digestOf(digested),
    };
  }

  /** JSON.parse would have rounded a number to a float, so an amount is text. */
  #parseAmount(body: Uint8Array): Decimal {
    const amount = this.#amountFrom < 0 ? null : parseField(body, this.#amountFrom, this.#amountTo);
    const cents = typeof amount === 'string' ? parseDecimal(amount) : null;
    if (cents === null) throw new PageError('an amount is not a decimal number in text');
    return centsToDollars(cents);
  }
}

function startOf({ ends }: CostLines, line: number): number {
  return line === 0 ? 0 : ends.at(line - 1);
}

function amountOf(lines: CostLines, line: number): Decimal {
  return toCanonical(lines.amounts.written().toString('latin1', startOf(lines, line), lines.ends.at(line)));
}
