import { ConfigError, loadStackConfig, type Config } from '../config/config.ts';
import { warningOf } from '../domain/base-url.ts';
import { Console } from './console.ts';
import { CONNECTING, printGuide } from './guide.ts';
import { messageOf } from './processes.ts';
import { startStack, type Stack } from './stack.ts';

/** `npm start`: the whole of Meterline on this machine, for real keys. Stays up until it is asked to stop. */
const out = new Console();

async function main(): Promise<void> {
  const config = await configOrExit();
  out.line(out.style('bold', 'Meterline'));
  try {
    const stack = await startStack({ kind: 'live', config, env: process.env, dataDir: config.dataDir, console: out });
    await introduce(stack, config);
  } catch (error) {
    out.error(`\n${messageOf(error)}`);
    process.exit(1);
  }
}

async function configOrExit(): Promise<Config> {
  try {
    return await loadStackConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    out.error(error.message);
    process.exit(2);
  }
}

async function introduce(stack: Stack, { anthropicBaseUrl }: Config): Promise<void> {
  const { apiUrl, token, temporalUiUrl, dataDir } = stack;
  out.line();
  out.pairs([
    ['API', `${apiUrl}/v1`],
    ['Reference', `${apiUrl}/docs`],
    ...(temporalUiUrl === null ? [] : ([['Temporal UI', temporalUiUrl]] as const)),
    ['Data', dataDir],
    ['Logs', `${dataDir}/logs`],
    ['Admin token', tokenLine(token)],
  ]);
  const warning = warningOf(anthropicBaseUrl);
  if (warning !== null) out.line(`\n  ${warning}`);
  await printGuide(out, stack);
  out.line();
  out.line('  Connect an organization (paste its Admin API key, then Enter; neither it nor the token is an argument):');
  out.line();
  for (const line of CONNECTING) out.line(`    ${line}`);
  out.line();
  out.line(out.style('dim', '  Ctrl-C stops everything; the next start goes on where this one was.'));
}

function tokenLine({ value, file, created }: Stack['token']): string {
  if (file === null) return 'from METERLINE_API_TOKEN';
  return created ? `${value}   (shown this once; kept in ${file})` : `in ${file}`;
}

await main();
