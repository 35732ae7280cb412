import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { identityOf, isAlive } from '../../local/processes/pids.ts';
import { startService } from '../../local/processes/service.ts';
import { ROLES, type Role } from '../../local/stack/run-file.ts';
import { Supervisor } from '../../local/stack/supervisor.ts';
import { eventually } from '../../local/wait.ts';
import { fakeService, temporaryFolder } from './fakes.ts';

const BACKOFF = { firstMs: 10, maxMs: 40, healthyAfterMs: 30_000 };
const supervisors: Supervisor[] = [];

afterEach(() => {
  for (const supervisor of supervisors.splice(0)) supervisor.kill();
});

async function take(dataDir: string, lines: string[] = []): Promise<Supervisor> {
  const supervisor = await Supervisor.take({ dataDir, log: (line) => lines.push(line), backoff: BACKOFF });
  supervisors.push(supervisor);
  return supervisor;
}

function startFake(supervisor: Supervisor, folder: string, role: Role, body?: string): Promise<{ pid: number }> {
  const script = fakeService(folder, role, body);
  return supervisor.start({
    role,
    start: (onSpawn) =>
      startService({ name: role, script, env: process.env, logFile: join(folder, `${role}.log`), onSpawn }),
  });
}

const runFileSchema = z.object({
  supervisor: z.object({ pid: z.number() }),
  processes: z.array(z.object({ role: z.string(), pid: z.number(), address: z.string().optional() })),
});

function readRunFile(folder: string): z.infer<typeof runFileSchema> {
  return runFileSchema.parse(JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')));
}

describe('run.json', () => {
  test('names each process with its role, pid and address, and is removed at a stop', async () => {
    const folder = temporaryFolder();
    const supervisor = await take(folder);
    const worker = await startFake(supervisor, folder, 'worker');
    const api = await startFake(supervisor, folder, 'api');
    const { supervisor: own, processes } = readRunFile(folder);
    expect(own.pid).toBe(process.pid);
    expect(processes).toMatchObject([
      { role: 'api', pid: api.pid, address: 'http://127.0.0.1:1/api' },
      { role: 'worker', pid: worker.pid, address: 'http://127.0.0.1:1/worker' },
    ]);
    expect(statSync(join(folder, 'run.json')).mode & 0o777).toBe(0o600);
    await supervisor.stop();
    expect(existsSync(join(folder, 'run.json'))).toBe(false);
    expect(isAlive(api.pid) || isAlive(worker.pid)).toBe(false);
  });

  test('a data directory is made for its owner only', async () => {
    const folder = join(temporaryFolder(), 'data');
    await take(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test('a second start on a live data directory is refused and names the process', async () => {
    const folder = temporaryFolder();
    await take(folder);
    await expect(take(folder)).rejects.toThrow(new RegExp(`already runs on .* \\(process ${process.pid}\\)`));
  });

  test('a start after a dead supervisor first stops what that one left running', async () => {
    const folder = temporaryFolder();
    const orphan = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { detached: true });
    const pid = orphan.pid ?? 0;
    writeRunFile(folder, [{ role: 'worker', pid, started: identityOf(pid) }]);
    const lines: string[] = [];
    await take(folder, lines);
    expect(isAlive(pid)).toBe(false);
    expect(lines).toEqual([`worker: stopping process ${pid}, which an earlier run left behind`]);
    expect(readRunFile(folder).processes).toEqual([]);
  });

  test('a later process with the pid of an earlier one is not touched', async () => {
    const folder = temporaryFolder();
    const other = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)']);
    const pid = other.pid ?? 0;
    writeRunFile(folder, [{ role: 'worker', pid, started: 'another time' }]);
    await take(folder);
    expect(isAlive(pid)).toBe(true);
    other.kill('SIGKILL');
  });

  test('an unreadable run.json does not stop a start', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'run.json'), '{"supervisor":');
    await take(folder);
    expect(readRunFile(folder).supervisor.pid).toBe(process.pid);
  });
});

/** Writes the file as a killed supervisor leaves it. */
function writeRunFile(folder: string, processes: object[]): void {
  mkdirSync(folder, { recursive: true });
  const supervisor = { pid: process.pid, started: 'in an earlier boot' };
  writeFileSync(join(folder, 'run.json'), JSON.stringify({ supervisor, processes }));
}

describe('supervision', () => {
  test('a killed process is restarted, with one line about it, and run.json names the new one', async () => {
    const folder = temporaryFolder();
    const lines: string[] = [];
    const supervisor = await take(folder, lines);
    const first = await startFake(supervisor, folder, 'api');
    process.kill(first.pid, 'SIGKILL');
    expect(await eventually(() => lines.length === 2, 10_000)).toBe(true);
    const again = readRunFile(folder).processes[0];
    expect(again?.role).toBe('api');
    expect(again?.pid).not.toBe(first.pid);
    expect(lines[0]).toMatch(/^api ended \(process \d+, killed by SIGKILL after [\d.]+ s\); restarting it$/);
    expect(lines[1]).toBe(`api runs again (process ${again?.pid ?? 0})`);
    await supervisor.stop();
  });

  test('a run.json that cannot be written, as on a full disk, is reported and stops nothing', async () => {
    const folder = temporaryFolder();
    const lines: string[] = [];
    const supervisor = await take(folder, lines);
    const first = await startFake(supervisor, folder, 'api');
    // A folder takes the place of the file that is written first.
    mkdirSync(join(folder, `run.json.${process.pid}`));
    process.kill(first.pid, 'SIGKILL');
    expect(await eventually(() => lines.some((line) => line.startsWith('api runs again')), 10_000)).toBe(true);
    expect(lines.join('\n')).toContain('run.json could not be updated: EISDIR');
    await supervisor.stop();
  });

  test('a process that does not start is tried again until it does', async () => {
    const folder = temporaryFolder();
    const lines: string[] = [];
    const supervisor = await take(folder, lines);
    const broken = join(folder, 'broken');
    const body = `if (require('fs').existsSync(${JSON.stringify(broken)})) { console.error('no luck'); process.exit(3); }`;
    const first = await startFake(supervisor, folder, 'worker', body);
    writeFileSync(broken, '');
    process.kill(first.pid, 'SIGKILL');
    expect(await eventually(() => lines.filter((line) => line.includes('no luck')).length >= 2, 10_000)).toBe(true);
    rmSync(broken);
    expect(await eventually(() => lines.at(-1)?.startsWith('worker runs again') === true, 10_000)).toBe(true);
    await supervisor.stop();
  });

  test('a part that does not start the first time is an error with its last lines', async () => {
    const folder = temporaryFolder();
    const supervisor = await take(folder);
    const start = startFake(supervisor, folder, 'api', `console.error('the moon is down'); process.exit(3);`);
    await expect(start).rejects.toThrow(/api did not start \(exit status 3\)[\s\S]*the moon is down/);
    expect(readRunFile(folder).processes).toEqual([]);
  });

  test('a stop ends the parts in order, and kills one that ignores it', async () => {
    const folder = temporaryFolder();
    const supervisor = await take(folder);
    const order = join(folder, 'order');
    const leave = (role: Role): string =>
      `process.removeAllListeners('disconnect');
       process.on('SIGTERM', () => { require('fs').appendFileSync(${JSON.stringify(order)}, '${role}\\n'); ${
         role === 'simulator' ? '' : 'process.exit(0);'
       } });`;
    const pids: number[] = [];
    for (const role of ['simulator', 'worker', 'api'] as const) {
      pids.push((await startFake(supervisor, folder, role, leave(role))).pid);
    }
    const startedAt = Date.now();
    await supervisor.stop();
    expect(Date.now() - startedAt).toBeLessThan(15_000);
    expect(readFileSync(order, 'utf8').trim().split('\n')).toEqual(['api', 'worker', 'simulator']);
    expect(pids.filter(isAlive)).toEqual([]);
  });

  test('a stop does not wait for a part that is still starting', async () => {
    const folder = temporaryFolder();
    const supervisor = await take(folder);
    const never = fakeService(folder, 'worker', 'return;');
    const starting = supervisor.start({
      role: 'worker',
      start: (onSpawn) =>
        startService({ name: 'w', script: never, env: process.env, logFile: join(folder, 'w.log'), onSpawn }),
    });
    const refused = expect(starting).rejects.toThrow('did not start');
    expect(await eventually(() => readRunFile(folder).processes.length === 1, 5000)).toBe(true);
    await supervisor.stop();
    await refused;
    expect(existsSync(join(folder, 'run.json'))).toBe(false);
  });

  test('each part stops before those that it needs', () => {
    expect(ROLES).toEqual(['api', 'worker', 'mail', 'simulator', 'temporal', 'postgres']);
  });
});
