import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'meterline-local-'));
  folders.push(folder);
  return folder;
}

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function writeProgram(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

/** A program that runs `body`, reports that it is ready, and ends with its supervisor. */
export function fakeService(folder: string, name: string, body = ''): string {
  return writeProgram(
    join(folder, `${name}.cjs`),
    `process.on('disconnect', () => process.exit(0));
     setInterval(() => undefined, 1000);
     ${body}
     process.send({ type: 'ready', address: 'http://127.0.0.1:1/${name}' });`,
  );
}
