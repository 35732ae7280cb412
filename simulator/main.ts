import { parseArgs } from 'node:util';
import { startSimulator, type SimulatorOptions } from './simulator.ts';

const USAGE =
  'usage: main.js [--port N] [--seed X] [--workspaces N] [--models N] [--days N] [--lines-per-day N] [--new-series N] [--latency-ms N] [--prerendered]';

class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
}

function readOptions(argv: readonly string[]): SimulatorOptions {
  const option = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...argv],
    options: {
      port: option,
      seed: option,
      workspaces: option,
      models: option,
      days: option,
      'lines-per-day': option,
      'new-series': option,
      'latency-ms': option,
      prerendered: { type: 'boolean', default: false },
    },
  });
  const number = (name: Exclude<keyof typeof values, 'prerendered'>, min: number, max: number): number | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new ArgumentError(`--${name} takes a whole number from ${min} to ${max}`);
    }
    return value;
  };
  return {
    port: number('port', 0, 65_535),
    seed: values.seed,
    workspaces: number('workspaces', 1, 1_000),
    models: number('models', 1, 1_000),
    days: number('days', 1, 4_000),
    linesPerDay: number('lines-per-day', 1, 200_000),
    newSeriesPerDay: number('new-series', 0, 100_000),
    latencyMs: number('latency-ms', 0, 600_000),
    prerendered: values.prerendered,
  };
}

function fail(message: string, code: number): never {
  console.error(message);
  process.exit(code);
}

function optionsOrExit(): SimulatorOptions {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : 'bad arguments'}\n${USAGE}`, 2);
  }
}

async function main(): Promise<void> {
  const options = optionsOrExit();
  const simulator = await startSimulator(options).catch((error: unknown) => {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
    return fail(
      taken ? `port ${options.port ?? 0} is taken by another process` : `the simulator did not start: ${String(error)}`,
      1,
    );
  });
  const stop = (): void => {
    void simulator.close().then(() => {
      process.exit(0);
    });
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
