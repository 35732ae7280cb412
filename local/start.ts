import { loadStackConfig, type Config } from '../config/config.ts';
import { warningOf } from '../domain/base-url.ts';
import { configured } from '../runtime/process.ts';
import { messageOf } from './errors.ts';
import type { Token } from './stack/environment.ts';
import { logDirOf } from './stack/logs.ts';
import { startStack, type Stack } from './stack/stack.ts';
import { Console } from './terminal/console.ts';
import { CONNECT_COMMAND, addressesOf, mailsOf, printGuide } from './terminal/guide.ts';
import { printLink } from './terminal/link.ts';

/** `npm start`: all of Meterline on this machine, for real keys. It runs until somebody stops it. */
async function main(out: Console): Promise<void> {
  const config = await configured(() => loadStackConfig(process.env));
  out.line(out.style('bold', 'Meterline'));
  try {
    const stack = await startStack({ kind: 'live', config, env: process.env, dataDir: config.dataDir, console: out });
    await introduce(out, stack, config);
  } catch (error) {
    out.error(`\n${messageOf(error)}`);
    process.exit(1);
  }
}

async function introduce(out: Console, stack: Stack, { anthropicBaseUrl }: Config): Promise<void> {
  out.line();
  out.pairs([
    ...addressesOf(stack),
    ['Data', stack.dataDir],
    ['Logs', logDirOf(stack.dataDir)],
    ...mailsOf(stack),
    ['Admin token', describeToken(stack.token)],
  ]);
  const warning = warningOf(anthropicBaseUrl);
  if (warning !== null) out.line(`\n  ${warning}`);
  await printGuide(out, stack);
  out.line();
  out.line(
    '  Connect an organization. Paste its Admin API key, then press Enter. No argument shows the key or the token:',
  );
  out.line();
  for (const line of CONNECT_COMMAND) out.line(`    ${line}`);
  await printLink(out, stack);
  out.line();
  out.line(out.style('dim', '  Ctrl-C stops everything. The next start continues from here.'));
}

function describeToken({ value, file, isNew }: Token): string {
  if (file === null) return 'from METERLINE_API_TOKEN';
  return isNew ? `${value}   (shown only now, and stored in ${file})` : `in ${file}`;
}

await main(new Console(process.stdout, process.stderr, process.env));
