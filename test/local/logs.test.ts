import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { capLog, capLogs } from '../../local/stack/logs.ts';
import { eventually } from '../../local/wait.ts';
import { temporaryFolder } from './fakes.ts';

describe('a log', () => {
  test('above its cap is copied aside and emptied in place', async () => {
    const path = join(temporaryFolder(), 'api.log');
    writeFileSync(path, 'x'.repeat(2000));
    await capLog(path, 1000);
    expect(statSync(path).size).toBe(0);
    expect(readFileSync(`${path}.1`, 'utf8')).toHaveLength(2000);
  });

  test('below its cap is left alone', async () => {
    const path = join(temporaryFolder(), 'api.log');
    writeFileSync(path, 'x');
    await capLog(path, 1000);
    expect(readFileSync(path, 'utf8')).toBe('x');
    expect(existsSync(`${path}.1`)).toBe(false);
  });

  test('that cannot be copied is emptied, so that a full disk has room again', async (context) => {
    if (!existsSync('/dev/full')) context.skip('there is no /dev/full on this machine');
    const path = join(temporaryFolder(), 'api.log');
    writeFileSync(path, 'x'.repeat(2000));
    // Nothing can be copied into a device that is always full.
    symlinkSync('/dev/full', `${path}.1`);
    await capLog(path, 1000);
    expect(statSync(path).size).toBe(0);
    expect(existsSync(`${path}.1`)).toBe(false);
  });

  test('that cannot be capped is reported once, and stops nothing', async () => {
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
