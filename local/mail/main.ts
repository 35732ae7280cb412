import { parseArgs } from 'node:util';
import { announceReady, exitWith, onStop } from '../../runtime/process.ts';
import { isErrno, messageOf } from '../errors.ts';
import { startSink, type MailSink } from './sink.ts';

/** The mail sink as a process of its own: `main.js --port N --folder DIRECTORY`. */
async function main(): Promise<void> {
  const { port, folder } = readArguments();
  const sink = await open(port, folder);
  onStop(() => {
    void sink.close().then(() => process.exit(0));
  });
  console.log(JSON.stringify({ event: 'listening', port: sink.port, folder }));
  announceReady(`smtp://127.0.0.1:${sink.port}`);
}

function readArguments(): { port: number; folder: string } {
  const { values } = parseArgs({ options: { port: { type: 'string' }, folder: { type: 'string' } } });
  const { port = '', folder = '' } = values;
  if (!/^\d{1,5}$/.test(port) || folder === '') return exitWith('usage: main.js --port N --folder DIRECTORY');
  return { port: Number(port), folder };
}

async function open(port: number, folder: string): Promise<MailSink> {
  try {
    return await startSink({ port, folder });
  } catch (error) {
    if (isErrno(error, 'EADDRINUSE')) return exitWith(`port ${port} is taken by another process`);
    return exitWith(`mails cannot be kept in ${folder}: ${messageOf(error)}`);
  }
}

await main();
