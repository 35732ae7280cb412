import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError, loadConfig } from '../config/config.ts';
import { exitWith } from '../runtime/process.ts';
import { messageOf } from './processes/processes.ts';
import { runningOn } from './stack/run-file.ts';
import { findTemporalCli } from './temporal/programs.ts';

/**
 * `npm run temporal -- <arguments>`: Temporal's command line, on the Temporal of the stack that runs on
 * METERLINE_DATA_DIR; where that is unset, on the demo's while nothing else runs. A server that TEMPORAL_ADDRESS or
 * `--address` names is asked instead. It ends as Temporal's program does.
 */
const env = process.env;
/** What asks no server. */
const ALONE = /^(--help|-h|--version|help|completion|config|server)$/;

try {
  const { dataDir, temporal } = loadConfig(env);
  const args = process.argv.slice(2);
  const isNamed = temporal.address !== null || args.some((arg) => /^--(address|profile)(=|$)/.test(arg));
  const isAlone = ALONE.test(args[0] ?? 'help') || args.some((arg) => /^(--help|-h)$/.test(arg));
  const running = isNamed || isAlone ? {} : embeddedTemporal(dataDir);
  const cli = await findTemporalCli({ env, dataDir, log: (line) => process.stderr.write(`${line}\n`) });
  run(cli, args, { ...env, ...running });
} catch (error) {
  exitWith(error instanceof ConfigError ? error.message : messageOf(error));
}

/** How to reach the Temporal of the running stack. What is set for another Temporal would not open this one. */
function embeddedTemporal(dataDir: string): NodeJS.ProcessEnv {
  const isChosen = (env['METERLINE_DATA_DIR'] ?? '') !== '';
  const directories = (isChosen ? [dataDir] : [dataDir, join(dataDir, 'demo')]).map((directory) => resolve(directory));
  const parts = directories.map(runningOn).find((found) => found !== null);
  if (parts === undefined) {
    throw new Error(
      `No Meterline runs on ${directories.join(' or ')}. Start one (npm start, npm run demo), set METERLINE_DATA_DIR ` +
        'to the data directory of one that runs, or set TEMPORAL_ADDRESS to a Temporal of your own.',
    );
  }
  const address = parts.find(({ role }) => role === 'temporal')?.address;
  if (address === undefined) {
    throw new Error('The Meterline that runs has no Temporal of its own now. Set TEMPORAL_ADDRESS to the one it uses.');
  }
  const others = Object.keys(env).filter((name) => name.startsWith('TEMPORAL_') && name !== 'TEMPORAL_CLI_PATH');
  return {
    ...Object.fromEntries(others.map((name) => [name, undefined])),
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: (env['TEMPORAL_NAMESPACE'] ?? '') || 'default',
    TEMPORAL_CONFIG_FILE: '/dev/null',
  };
}

function run(cli: string, args: readonly string[], environment: NodeJS.ProcessEnv): void {
  // Npm changes into the project; names of files in arguments are meant from where the person is.
  const child = spawn(cli, args, { env: environment, cwd: env['INIT_CWD'], stdio: 'inherit' });
  const pass = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  // A terminal sends Ctrl-C to all of them by itself.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', pass);
  process.on('SIGHUP', pass);
  process.on('disconnect', () => {
    pass('SIGTERM');
  });
  child.once('error', (error) => {
    exitWith(`${cli} does not run: ${error.message}`);
  });
  child.once('exit', (code, signal) => {
    process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
  });
}
