import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { describe, expect, test } from 'vitest';
import { findTemporalCli } from '../../local/temporal/find.ts';
import { startTemporal } from '../../local/temporal/temporal.ts';
import { temporaryFolder } from './fakes.ts';

describe('the embedded Temporal', () => {
  test(
    'makes files that only their owner can read, and takes the rights of others from existing ones',
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
      // Temporal would read such a name as an address with parameters.
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
