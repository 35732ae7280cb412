import { z } from 'zod';
import { addDays, dayOf, type DayRange } from '../domain/days.ts';
import { connect } from './large.ts';
import { memoryOf, secondsSince } from './measure.ts';
import { SHAPES, withShape, type Shape } from './shapes.ts';
import { mb, number, s, table } from './text.ts';
import { deploy, type Deployment, type Servers } from './world.ts';

const MONTH = 31;
const FEW = 5;
const FORMATS = ['csv', 'parquet'] as const;
const GOAL_S = 60;
const MEMORY_GOAL_MB = 300;
/** Rows that these goals are for; others count in proportion. */
const GOAL_ROWS = 600_000;

/** Measures how long a FOCUS file of a month takes, and how much memory the API has meanwhile, on two shapes. */
export async function focusSection(servers: Servers): Promise<string[]> {
  const rows: string[][] = [];
  for (const shape of ['steady', 'churn'] as const) rows.push(...(await measureFiles(servers, shape)));
  return [
    '## FOCUS files',
    '',
    `From the request to the last byte. Memory is the most that the API had until then: after ${FEW} days, and after the month.`,
    '',
    ...table(['what', 'measured', 'must'], rows),
  ];
}

function measureFiles(servers: Servers, shape: Shape): Promise<string[][]> {
  return withShape(servers, SHAPES[shape], MONTH, async (upstream) => {
    const deployment = await deploy(servers, upstream);
    try {
      const { lines } = await connect(deployment, upstream, MONTH);
      await deployment.sql`vacuum analyze`;
      const today = dayOf(Date.now());
      const rows: string[][] = [[`${shape}, ${MONTH} days, ${number(lines)} lines:`, '', '']];
      const few = { from: addDays(today, 1 - FEW), to: today };
      for (const format of FORMATS) await measureFile(deployment, format, few);
      rows.push([
        `… memory after ${FEW} days in both formats`,
        mb(memoryOf(deployment.pids.api).peak),
        mb(MEMORY_GOAL_MB),
      ]);
      for (const format of FORMATS) {
        const { took, bytes } = await measureFile(deployment, format, { from: addDays(today, 1 - MONTH), to: today });
        rows.push([`… a month in ${format}, ${mb(bytes / 1e6)}`, s(took, 1), s((GOAL_S * lines) / GOAL_ROWS, 0)]);
        rows.push([`… memory after it`, mb(memoryOf(deployment.pids.api).peak), mb(MEMORY_GOAL_MB)]);
      }
      return rows;
    } finally {
      await deployment.close();
    }
  });
}

async function measureFile(
  { apiUrl, token }: Deployment,
  format: string,
  range: DayRange,
): Promise<{ took: number; bytes: number }> {
  const query = new URLSearchParams({ ...range, format });
  const startedAt = performance.now();
  const response = await fetch(`${apiUrl}/v1/exports/focus?${query.toString()}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (!response.ok || response.body === null) throw new Error(`FOCUS was answered with ${response.status}`);
  let bytes = 0;
  for await (const chunk of response.body) bytes += z.instanceof(Uint8Array).parse(chunk).length;
  return { took: secondsSince(startedAt), bytes };
}
