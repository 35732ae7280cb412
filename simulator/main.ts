import { parseArgs } from 'node:util';
import { SPELLINGS } from './admin-api/spelling.ts';
import { DESCRIPTIONS } from './organization/catalog.ts';
import { eventSchema, type SpendEvent } from './organization/events.ts';
import { startSimulator, type SimulatorOptions } from './simulator.ts';

/** The simulator as a process of its own. It prints one JSON line once it listens, and ends with its parent. */
const USAGE = [
  'usage: main.js [--port N] [--seed X] [--workspaces N] [--models N] [--days N] [--lines-per-day N] [--new-series N]',
  '  [--series-life DAYS] [--descriptions plain|quoted|long] [--spacing compact|spaced|pretty]',
  '  [--keys usual|by-day|by-row] [--extra none|flat|nested] [--escapes] [--rows shuffled|sorted] [--latency-ms N]',
  '  [--prerendered] [--no-days-off] [--event JSON]…',
].join('\n');

class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
}

const text = { type: 'string' } as const;
const ARGUMENTS = {
  port: text,
  seed: text,
  workspaces: text,
  models: text,
  days: text,
  'lines-per-day': text,
  'new-series': text,
  'series-life': text,
  descriptions: text,
  spacing: text,
  keys: text,
  extra: text,
  escapes: { type: 'boolean', default: false },
  rows: text,
  'latency-ms': text,
  prerendered: { type: 'boolean', default: false },
  'no-days-off': { type: 'boolean', default: false },
  event: { type: 'string', multiple: true },
} as const;

function readOptions(args: readonly string[]): SimulatorOptions {
  const { values } = parseArgs({ args: [...args], options: ARGUMENTS });
  type Text = Exclude<keyof typeof values, 'prerendered' | 'no-days-off' | 'escapes' | 'event'>;
  const number = (name: Text, min: number, max: number): number | undefined =>
    wholeNumber(name, values[name], min, max);
  const choice = <T extends string>(name: Text, from: readonly T[]): T | undefined => oneOf(name, values[name], from);
  return {
    port: number('port', 0, 65_535),
    seed: values.seed,
    workspaces: number('workspaces', 1, 1_000),
    models: number('models', 1, 1_000),
    days: number('days', 0, 4_000),
    linesPerDay: number('lines-per-day', 1, 200_000),
    newSeriesPerDay: number('new-series', 0, 100_000),
    seriesLifeDays: number('series-life', 1, 1_000),
    latencyMs: number('latency-ms', 0, 600_000),
    descriptions: choice('descriptions', DESCRIPTIONS),
    spelling: {
      spacing: choice('spacing', SPELLINGS.spacing),
      keys: choice('keys', SPELLINGS.keys),
      extra: choice('extra', SPELLINGS.extra),
      escapes: values.escapes,
      rows: choice('rows', SPELLINGS.rows),
    },
    prerendered: values.prerendered,
    organizations: [{ daysOff: !values['no-days-off'], events: (values.event ?? []).map(eventOf) }],
  };
}

function eventOf(json: string): SpendEvent {
  try {
    return eventSchema.parse(JSON.parse(json));
  } catch (error) {
    throw new ArgumentError(
      `--event takes an event as JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function wholeNumber(name: string, value: string | undefined, min: number, max: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < min || number > max) {
    throw new ArgumentError(`--${name} takes a whole number from ${min} to ${max}`);
  }
  return number;
}

function oneOf<T extends string>(name: string, value: string | undefined, from: readonly T[]): T | undefined {
  if (value === undefined) return undefined;
  const found = from.find((each) => each === value);
  if (found === undefined) throw new ArgumentError(`--${name} takes one of ${from.join(', ')}`);
  return found;
}

function exitWith(message: string, status: number): never {
  console.error(message);
  process.exit(status);
}

function optionsOrExit(): SimulatorOptions {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    // Other errors come from parseArgs, which names the argument.
    return exitWith(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`, 2);
  }
}

async function main(): Promise<void> {
  const options = optionsOrExit();
  const simulator = await startSimulator(options).catch((error: unknown) => {
    const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
    const message = isTaken
      ? `port ${options.port ?? 0} is taken by another process`
      : `the simulator did not start: ${String(error)}`;
    return exitWith(message, 1);
  });
  const stop = (): void => {
    void simulator.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.once('disconnect', stop);
  const { id, name } = simulator.control.organization();
  const key = simulator.control.keys()[0]?.key;
  console.log(
    JSON.stringify({ event: 'listening', url: simulator.url, organization: { id, name }, admin_api_key: key }),
  );
  process.send?.({ type: 'ready', address: simulator.url });
}

await main();
