import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { loadStackConfig } from '../config/config.ts';
import { configured } from '../runtime/process.ts';
import { showAddresses, showConfirmation, showSample } from './demo/show.ts';
import { messageOf } from './errors.ts';
import { startStack } from './stack/stack.ts';
import { Console } from './terminal/console.ts';
import { printLink } from './terminal/link.ts';

const USAGE = 'Usage: npm run demo [-- --once]';

/**
 * `npm run demo`: all of Meterline with a simulated Anthropic and a sample organization, in a data directory of its own.
 * With `--once` it ends after the comparison, the budget, the forecast, the anomaly and their mails, with status 0 only if
 * every line matched.
 */
async function main(out: Console, args: readonly string[]): Promise<void> {
  const once = readOnce(out, args);
  const config = await configured(() => loadStackConfig(process.env));
  out.line(out.style('bold', "Meterline, with a simulated organization's cost and usage"));
  try {
    const dataDir = dataDirOf(config, process.env);
    const stack = await startStack({ kind: 'demo', config, env: process.env, dataDir, console: out });
    const shown = await showSample(out, stack);
    if (once) {
      showConfirmation(out, shown);
      await stack.stop();
      process.exit(shown.matched ? 0 : 1);
    }
    await showAddresses(out, stack, shown);
    await printLink(out, stack);
    out.line(out.style('dim', '\n  Ctrl-C stops everything.'));
  } catch (error) {
    out.error(`\n${messageOf(error)}`);
    process.exit(1);
  }
}

/** Whether the demo runs once. Ends the process with the usage for other arguments. */
function readOnce(out: Console, args: readonly string[]): boolean {
  const [first, ...rest] = args;
  if (rest.length === 0 && (first === undefined || first === '--once')) return first === '--once';
  out.error(USAGE);
  process.exit(2);
}

/** A directory beside the real data, unless METERLINE_DATA_DIR names one for the demo. */
function dataDirOf({ dataDir }: Config, env: NodeJS.ProcessEnv): string {
  return (env['METERLINE_DATA_DIR'] ?? '') === '' ? join(dataDir, 'demo') : dataDir;
}

await main(new Console(process.stdout, process.stderr, process.env), process.argv.slice(2));
