import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

test('the console has the types of today’s API', async () => {
  const asked = promisify(execFile)(process.execPath, [join(ROOT, 'scripts/console-types.mjs'), '--check']);
  await expect(asked).resolves.toMatchObject({ stderr: '' });
});
