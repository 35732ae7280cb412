import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { runToEnd } from '../../local/processes/child.ts';
import { findTemporalCli } from '../../local/temporal/find.ts';
import { readMail } from '../notify/smtp.ts';
import { prepare } from '../processes/support.ts';
import { temporaryFolder } from './fakes.ts';

beforeAll(() => prepare(), 300_000);

test(
  'the demo mails that its organization is connected, and says where the mail lies',
  { timeout: 240_000 },
  async () => {
    const dataDir = temporaryFolder();
    const { code, output } = await runToEnd(
      process.execPath,
      [join(import.meta.dirname, '../../dist/local/demo.js'), '--once'],
      {
        env: { PATH: process.env['PATH'], TEMPORAL_CLI_PATH: await findTemporalCli(), METERLINE_DATA_DIR: dataDir },
        timeoutMs: 200_000,
      },
    );
    expect([code, output]).toEqual([0, expect.stringContaining('✓ Every line equals the ledger')]);
    const [, page = '', eml = ''] =
      /\n {2}Confirmation {3}(\S+\.html)\n {4}as a mail {2} {2}(\S+\.eml)/.exec(output) ?? [];
    for (const file of [page, eml]) expect(file).toContain(join(dataDir, 'mail'));
    const mail = await readMail(readFileSync(eml, 'utf8'));
    expect(mail.subject).toContain('is connected');
    expect(mail.to).toEqual([{ name: '', address: 'costs@example.com' }]);
    expect(readFileSync(page, 'utf8')).toContain(mail.subject ?? '');
  },
);
