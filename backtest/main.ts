import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { anomalySection } from './anomalies.ts';
import { forecastSection } from './forecast.ts';

/** `npm run backtest`: measures what the product claims to foresee on series with a known end, and writes docs/accuracy.md. */
const DATA = fileURLToPath(new URL('../../backtest/data', import.meta.url));
const PAGE = fileURLToPath(new URL('../../docs/accuracy.md', import.meta.url));

const HEAD = [
  '# Accuracy',
  [
    '`npm run backtest` wrote this page, in minutes and without the network. It repeats forecasts at past days of real',
    'daily series and of organizations that the simulator makes up, and compares them with what came. The series, with their',
    'sources and licence, lie in `backtest/data`. None of them is the spend of an organization: no such series is public.',
    'Expect figures like these, not these; [`GET /v1/forecast`](budgets.md#what-a-month-is-expected-to-come-to) tells how the forecast did on *your* data.',
  ].join('\n'),
];

/** Each makes a part of the page, as Markdown blocks, from the directory with the public series. */
const SECTIONS: readonly ((directory: string) => string[])[] = [forecastSection, anomalySection];

const startedAt = Date.now();
const page = [...HEAD, ...SECTIONS.flatMap((section) => section(DATA))].join('\n\n');
const options = await resolveConfig(PAGE);
writeFileSync(PAGE, await format(page, { ...options, parser: 'markdown' }));
console.log(`docs/accuracy.md written after ${Math.round((Date.now() - startedAt) / 1_000)} s`);
