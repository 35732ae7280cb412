import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { loadConfig } from '../config/config.ts';
import { exitWith } from '../runtime/process.ts';
import { StackError, messageOf } from './errors.ts';
import { runningOn } from './stack/run-file.ts';
import { findTemporalCli } from './temporal/find.ts';

/** Arguments that ask no server. */
const OFFLINE = /^(--help|-h|--version|help|completion|config|server)$/;
const HELP = /^(--help|-h)$/;
const NAMES_SERVER = /^--(address|profile)(=|$)/;

/**
 * `npm run temporal -- <arguments>`: runs Temporal's command line against the embedded Temporal of the stack on
 * METERLINE_DATA_DIR. Without that variable, it takes the stack that runs, and the demo's only if no other one does.
 * TEMPORAL_ADDRESS or `--address` names another server. The exit status is that of Temporal's program.
 */
async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  try {
    const { dataDir, temporal } = loadConfig(env);
    const isNamed = temporal.address !== null || args.some((arg) => NAMES_SERVER.test(arg));
    const isOffline = OFFLINE.test(args[0] ?? 'help') || args.some((arg) => HELP.test(arg));
    const settings = isNamed || isOffline ? {} : embeddedTemporal(dataDir, env);
    const cli = await findTemporalCli({ env, dataDir, log: (line) => process.stderr.write(`${line}\n`) });
    run(cli, args, { ...env, ...settings });
  } catch (error) {
    exitWith(messageOf(error));
  }
}

/**
 * The settings that reach the Temporal of a running stack. They unset those for another Temporal, which would not open
 * this one. Throws StackError if no stack runs, or if it has no Temporal of its own.
 */
function embeddedTemporal(dataDir: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isChosen = (env['METERLINE_DATA_DIR'] ?? '') !== '';
  const directories = (isChosen ? [dataDir] : [dataDir, join(dataDir, 'demo')]).map((directory) => resolve(directory));
  const parts = directories.map(runningOn).find((found) => found !== null);
  if (parts === undefined) {
    throw new StackError(
      `No Meterline runs on ${directories.join(' or ')}. Start one (npm start, npm run demo), set METERLINE_DATA_DIR ` +
        'to the data directory of one that runs, or set TEMPORAL_ADDRESS to a Temporal of your own.',
    );
  }
  const address = parts.find(({ role }) => role === 'temporal')?.address;
  if (address === undefined) {
    throw new StackError(
      'The Meterline that runs has no Temporal of its own now. Set TEMPORAL_ADDRESS to the one that it uses.',
    );
  }
  const others = Object.keys(env).filter((name) => name.startsWith('TEMPORAL_') && name !== 'TEMPORAL_CLI_PATH');
  return {
    ...Object.fromEntries(others.map((name) => [name, undefined])),
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: (env['TEMPORAL_NAMESPACE'] ?? '') || 'default',
    TEMPORAL_CONFIG_FILE: '/dev/null',
  };
}

function run(cli: string, args: readonly string[], env: NodeJS.ProcessEnv): void {
  // Npm changes into the project. File names in the arguments are relative to where the user is.
  const child = spawn(cli, args, { env, cwd: env['INIT_CWD'], stdio: 'inherit' });
  const forward = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  // The terminal sends Ctrl-C to the child as well, so this process only has to wait.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', forward);
  process.on('SIGHUP', forward);
  process.on('disconnect', () => {
    forward('SIGTERM');
  });
  child.once('error', (error) => {
    exitWith(`${cli} does not run: ${error.message}`);
  });
  child.once('exit', (code, signal) => {
    process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
  });
}

await main(process.argv.slice(2), process.env);
