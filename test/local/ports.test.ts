import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { anyFreePort, checkFree, nextFreePort } from '../../local/processes/ports.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function occupy(port: number): Promise<void> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
}

describe('ports', () => {
  test('a taken port leads to the next free one', async () => {
    const port = await anyFreePort();
    await occupy(port);
    expect(await checkFree(port)).toBe(false);
    const next = await nextFreePort(port);
    expect(next).toBeGreaterThan(port);
    expect(await checkFree(next)).toBe(true);
  });

  test('a preferred port that is free is taken', async () => {
    const port = await anyFreePort();
    expect(await nextFreePort(port)).toBe(port);
  });
});
