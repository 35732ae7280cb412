import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { apiProcesses, type ApiProcess, type ApiProcesses } from './process.ts';

let processes: ApiProcesses;
const folder = mkdtempSync(join(tmpdir(), 'meterline-log-'));

beforeAll(async () => {
  processes = await apiProcesses();
});
afterEach(() => {
  processes.kill();
});
afterAll(async () => {
  await processes.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A process that waits for the reader of its log never answers; a busy machine answers within this time. */
const WAITS_MS = 10_000;

interface Health {
  readonly ms: number;
  readonly dropped: number;
}

async function health(address: string): Promise<Health> {
  const before = performance.now();
  const response = await fetch(`${address}/healthz`, { signal: AbortSignal.timeout(WAITS_MS) });
  const { dropped_log_lines: dropped = 0 } = (await response.json()) as { dropped_log_lines?: number };
  return { ms: performance.now() - before, dropped };
}

/** Asks for things that are logged until the API drops lines, and says how long /healthz took at most meanwhile. */
async function floodUntilDropped({ address }: ApiProcess): Promise<Health> {
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  const ask = (): Promise<void> =>
    new Promise((resolve, reject) => {
      request(`${address}/${'nothing/'.repeat(8)}`, { agent }, (response) => {
        response.resume().once('end', resolve);
      })
        .once('error', reject)
        .end();
    });
  let slowestMs = 0;
  try {
    for (;;) {
      const [{ ms, dropped }] = await Promise.all([health(address), ...Array.from({ length: 200 }, ask)]);
      slowestMs = Math.max(slowestMs, ms);
      if (dropped > 0) return { ms: slowestMs, dropped: (await health(address)).dropped };
    }
  } finally {
    agent.destroy();
  }
}

/** How many lines are said to be dropped, in a log of which every line is whole. */
function saidDropped(log: string): number[] {
  const lines = log
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { msg: string; dropped?: number; time: string });
  for (const { time } of lines) expect(time).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  return lines.flatMap(({ msg, dropped = NaN }) => (msg === `${dropped} log lines were dropped` ? [dropped] : []));
}

async function endsInOrder({ child }: ApiProcess): Promise<number | null> {
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
  return child.exitCode;
}

const MB = 1024 * 1024;

describe('the log of the API', () => {
  it('does not wait for the reader of a pipe, and says how many lines it dropped once the reader reads on', async () => {
    const api = await processes.start('pipe');
    // Nobody listens for data, so that nobody reads.
    const { ms, dropped } = await floodUntilDropped(api);
    expect(ms).toBeLessThan(WAITS_MS);
    let log = '';
    api.child.stdout?.setEncoding('utf8').on('data', (text: string) => (log += text));
    await until('it to say so', () => log.includes(`"msg":"${dropped} log lines were dropped"`));
    expect(await endsInOrder(api)).toBe(0);
    await until('the last line', () => log.endsWith('"msg":"stopped"}\n'));
    expect(saidDropped(log)).toEqual([dropped]);
  });

  it('lets a process end although nobody reads the log', async () => {
    const api = await processes.start('pipe');
    await floodUntilDropped(api);
    const before = Date.now();
    expect(await endsInOrder(api)).toBe(0);
    expect(Date.now() - before).toBeLessThan(WAITS_MS);
  });

  it('is dropped once its reader is gone, and the API serves on and ends in order', async () => {
    const api = await processes.start('pipe');
    api.child.stdout?.destroy();
    expect((await floodUntilDropped(api)).ms).toBeLessThan(WAITS_MS);
    expect(await endsInOrder(api)).toBe(0);
  });

  it('does not wait for room in a file of the largest size, and says how many lines it dropped once there is room', async () => {
    const file = join(folder, 'limited.log');
    const output = openSync(file, 'a');
    const api = await processes.start(output, 'ulimit -S -f 128');
    closeSync(output);
    const { ms, dropped } = await floodUntilDropped(api);
    expect(ms).toBeLessThan(WAITS_MS);
    const full = readFileSync(file).length;
    // Made empty whenever it is full, as the capping of logs does: what was kept in memory is more than there is room for.
    let log = '';
    await until('it to say so', () => {
      const text = readFileSync(file, 'utf8');
      if (Buffer.byteLength(text) < full) return (log + text).includes(`"msg":"${dropped} log lines were dropped"`);
      log += text;
      truncateSync(file, 0);
      return false;
    });
    expect(await endsInOrder(api)).toBe(0);
    log += readFileSync(file, 'utf8');
    expect(log).toMatch(/"msg":"stopped"}\n$/);
    expect(saidDropped(log)).toEqual([dropped]);
  });

  it('is dropped on a full device (/dev/full), and the API serves on and ends in order', async (context) => {
    if (!existsSync('/dev/full')) context.skip('there is no /dev/full on this machine');
    const output = openSync('/dev/full', 'w');
    const api = await processes.start(output);
    closeSync(output);
    expect((await floodUntilDropped(api)).ms).toBeLessThan(WAITS_MS);
    expect(await endsInOrder(api)).toBe(0);
  });

  it('is dropped on a full disk, and says so once there is room, with no line cut', async (context) => {
    const disk = mkdtempSync(join(folder, 'disk-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      context.skip('no disk of a chosen size can be mounted here (that takes root)');
    }
    try {
      const [file, filler] = [join(disk, 'api.log'), join(disk, 'filler')];
      const output = openSync(file, 'a');
      writeFileSync(filler, Buffer.alloc(3 * MB + MB / 2));
      const api = await processes.start(output);
      closeSync(output);
      const { ms, dropped } = await floodUntilDropped(api);
      expect(ms).toBeLessThan(WAITS_MS);
      rmSync(filler);
      await until('it to say so', () =>
        readFileSync(file, 'utf8').includes(`"msg":"${dropped} log lines were dropped"`),
      );
      expect(await endsInOrder(api)).toBe(0);
      const log = readFileSync(file, 'utf8');
      expect(log).toMatch(/"msg":"stopped"}\n$/);
      expect(saidDropped(log)).toEqual([dropped]);
    } finally {
      processes.kill();
      await until('the disk to be free', () => {
        try {
          execFileSync('umount', [disk], { stdio: 'ignore' });
          return true;
        } catch {
          return false;
        }
      });
    }
  });

  it('holds no key, whatever is logged', async () => {
    const script = join(processes.directory, 'says-a-key.js');
    writeFileSync(
      script,
      `import { openLog } from './runtime/log.js';
       const { log } = openLog('info', 'test');
       log.info({ deep: { key: 'sk-ant-admin01-CANARY' } }, 'a key: sk-ant-api03-CANARY');
       log.warn('the last line');
       process.exit(3);`,
    );
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let log = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (log += text));
    await once(child, 'close');
    expect(child.exitCode).toBe(3);
    expect(log).not.toContain('CANARY');
    expect(log.match(/sk-ant-…/g)).toHaveLength(2);
    expect(log).toContain('the last line');
  });
});
