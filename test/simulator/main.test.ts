import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { compileRooms, type CompiledRooms } from '../support/compiled.ts';

const listening = z.strictObject({
  event: z.literal('listening'),
  url: z.url(),
  organization: z.strictObject({ id: z.uuid(), name: z.string() }),
  admin_api_key: z.string().startsWith('sk-ant-admin01-'),
});

let rooms: CompiledRooms;
beforeAll(async () => {
  rooms = await compileRooms(['simulator']);
});
afterAll(() => rooms.remove());

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

interface Output {
  out: string;
  err: string;
}

function start(...args: string[]): { child: ChildProcess; output: Output; exit: Promise<number | null> } {
  const child = spawn(process.execPath, [join(rooms.directory, 'simulator/main.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  started.push(child);
  const output = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.err += text));
  // Not 'close': that never comes once the parent has disconnected.
  const exit = once(child, 'exit').then(() => child.exitCode);
  return { child, output, exit };
}

it('prints where it listens, tells its parent, and serves there', async () => {
  const { child, output, exit } = start('--port', '0', '--seed', 'x', '--workspaces', '2', '--lines-per-day', '50');
  const [message] = z
    .tuple([z.unknown()])
    .rest(z.unknown())
    .parse(await once(child, 'message'));
  await expect.poll(() => output.out).toContain('\n');
  const { url, organization, admin_api_key: key } = listening.parse(JSON.parse(output.out));
  expect(message).toEqual({ type: 'ready', address: url });
  const reply = await fetch(`${url}/v1/organizations/me`, {
    headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
  });
  expect(await reply.json()).toEqual({ ...organization, type: 'organization' });
  child.kill('SIGTERM');
  expect(await exit).toBe(0);
});

it('ends when its parent goes away', async () => {
  const { child, exit } = start();
  await once(child, 'message');
  child.disconnect();
  expect(await exit).toBe(0);
});

it.each([
  [['--port', 'many'], '--port takes a whole number from 0 to 65535'],
  [['--days', '4001'], '--days takes a whole number from 0 to 4000'],
  [['--spacing', 'wide'], '--spacing takes one of compact, spaced, pretty'],
  [['--colour', 'blue'], "Unknown option '--colour'"],
])('refuses %j with one clear error', async (args, message) => {
  const { output, exit } = start(...args);
  expect(await exit).toBe(2);
  await expect.poll(() => output.err).toContain('usage:');
  expect(output.err).toContain(message);
  expect(output.err).not.toContain('    at ');
});

it('names a port that is taken', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const { output, exit } = start('--port', String(port));
  expect(await exit).toBe(1);
  await expect.poll(() => output.err.trim()).toBe(`port ${port} is taken by another process`);
  server.close();
});
