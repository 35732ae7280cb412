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
  'the demo mails that its organization is connected, that a budget is at 80 % and that a day is unusual, and says where',
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
    expect(output).toMatch(
      /\n {2}Demo budget, .* 8[0-9]\.[0-9]{1,2}\n\n {2}80 % of it is spent, and that is told once\.\n/,
    );
    expect(output).toMatch(/\n {2}\S+ to \S+, with what is spent +\S+ +\S+ +\S+\n/);
    expect(output).toMatch(/\n {2}workspace Production, \S+ +\S+ +\S+ +\S+\n/);
    const told = [...output.matchAll(/\n {2}Its mail: (\S+\.html)\n/g)].map(([, file = '']) =>
      readFileSync(file, 'utf8'),
    );
    expect(told).toEqual([
      expect.stringContaining('Demo budget has reached 80 %'),
      expect.stringContaining('Production'),
    ]);
  },
);
