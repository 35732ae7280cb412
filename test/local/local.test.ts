import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { afterEach, describe, expect, test } from 'vitest';
import { isWholeToken, mintToken } from '../../db/tokens/secret.ts';
import { anyFreePort, checkFree, nextFreePort } from '../../local/processes/ports.ts';
import { readOrMakeSecret } from '../../local/secrets.ts';
import { capLog, capLogs } from '../../local/stack/logs.ts';
import { findTemporalCli } from '../../local/temporal/find.ts';
import { startTemporal } from '../../local/temporal/temporal.ts';
import { eventually } from '../../local/wait.ts';
import { temporaryFolder } from './fakes.ts';

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
  test('a taken port is answered with the next free one', async () => {
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

describe('a secret of the embedded stack', () => {
  test('is made once, and only its owner can read it', () => {
    const path = join(temporaryFolder(), 'secret');
    const first = readOrMakeSecret(path, () => 'one');
    const second = readOrMakeSecret(path, () => 'two');
    expect(first).toEqual({ value: 'one', isNew: true });
    expect(second).toEqual({ value: 'one', isNew: false });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('that is the token of the API has the prefix and the checksum of every token', () => {
    const { value } = readOrMakeSecret(join(temporaryFolder(), 'api-token'), mintToken);
    expect(value).toMatch(/^meterline_/);
    expect(isWholeToken(value)).toBe(true);
    expect(isWholeToken(`${value.slice(0, -1)}!`)).toBe(false);
    expect(mintToken()).not.toBe(value);
  });

  test('that is empty is an error, and is not replaced', () => {
    const path = join(temporaryFolder(), 'secret');
    writeFileSync(path, '\n');
    expect(() => readOrMakeSecret(path, () => 'new')).toThrow('is empty');
  });
});

describe('a log', () => {
  test('larger than its cap moves aside, and the open file goes on from its beginning', async () => {
    const path = join(temporaryFolder(), 'api.log');
    writeFileSync(path, 'x'.repeat(2000));
    await capLog(path, 1000);
    expect(statSync(path).size).toBe(0);
    expect(readFileSync(`${path}.1`, 'utf8')).toHaveLength(2000);
  });

  test('within its cap stays as it is', async () => {
    const path = join(temporaryFolder(), 'api.log');
    writeFileSync(path, 'x');
    await capLog(path, 1000);
    expect(readFileSync(path, 'utf8')).toBe('x');
    expect(existsSync(`${path}.1`)).toBe(false);
  });

  test('that cannot be moved aside is emptied, so that a full disk has room again', async (context) => {
    if (!existsSync('/dev/full')) context.skip('there is no /dev/full on this machine');
    const path = join(temporaryFolder(), 'api.log');
    writeFileSync(path, 'x'.repeat(2000));
    // Nothing can be copied into a device that is always full.
    symlinkSync('/dev/full', `${path}.1`);
    await capLog(path, 1000);
    expect(statSync(path).size).toBe(0);
    expect(existsSync(`${path}.1`)).toBe(false);
  });

  test('that cannot be looked after is said once, and stops nothing', async () => {
    const folder = temporaryFolder();
    // A folder in the place of a file can neither be written nor removed as one.
    mkdirSync(join(folder, 'logs'));
    writeFileSync(join(folder, 'logs/api.log'), 'x'.repeat(11 * 1024 * 1024));
    mkdirSync(join(folder, 'logs/api.log.1/full'), { recursive: true });
    const said: string[] = [];
    const uncap = capLogs(folder, (line) => said.push(line));
    expect(await eventually(() => said.length > 0, 5_000)).toBe(true);
    uncap();
    expect(said).toEqual([expect.stringMatching(/^the logs could not be capped: /)]);
  });
});

describe('the embedded Temporal', () => {
  test(
    'makes files that only their owner can read, and closes those that others could',
    { timeout: 60_000 },
    async () => {
      const dataDir = temporaryFolder();
      const [cli, before] = [await findTemporalCli(), process.umask(0o022)];
      const modes = (): string[] =>
        readdirSync(dataDir)
          .filter((name) => name.startsWith('temporal.db'))
          .map((name) => `${name} ${(statSync(join(dataDir, name)).mode & 0o777).toString(8)}`)
          .sort();
      const closed = ['temporal.db 600', 'temporal.db-shm 600', 'temporal.db-wal 600'];
      try {
        const first = await startTemporal({ cli, dataDir });
        expect(modes()).toEqual(closed);
        process.kill(first.pid, 'SIGKILL');
        await first.exited;
        for (const name of readdirSync(dataDir)) chmodSync(join(dataDir, name), 0o644);
        const second = await startTemporal({ cli, dataDir });
        expect(modes()).toEqual(closed);
        await second.stop();
      } finally {
        process.umask(before);
      }
    },
  );

  test(
    'keeps its data over a SIGKILL, whatever its directory is called, and closed workflows for 90 days',
    { timeout: 60_000 },
    async () => {
      // It would take parts of such a name for an address.
      const dataDir = join(temporaryFolder(), "it's 100%25 ?mode=memory#here");
      const cli = await findTemporalCli();
      const first = await startTemporal({ cli, dataDir });
      await inService(first.address, (service) =>
        service.registerNamespace({ namespace: 'kept', workflowExecutionRetentionPeriod: msToTs('1 day') }),
      );
      process.kill(first.pid, 'SIGKILL');
      await first.exited;
      const second = await startTemporal({ cli, dataDir });
      try {
        await inService(second.address, async (service) => {
          const kept = await service.describeNamespace({ namespace: 'kept' });
          expect(kept.namespaceInfo?.name).toBe('kept');
          const { config } = await service.describeNamespace({ namespace: 'default' });
          expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(90 * 86_400);
        });
      } finally {
        await second.stop();
      }
    },
  );
});

async function inService<T>(address: string, ask: (service: Connection['workflowService']) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address });
  try {
    return await connection.withDeadline(Date.now() + 10_000, () => ask(connection.workflowService));
  } finally {
    await connection.close();
  }
}
