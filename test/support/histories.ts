import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';

/** Where the histories lie that are replayed in each run of the tests. */
export const HISTORIES = fileURLToPath(new URL('../fixtures/histories/', import.meta.url));

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Whether this run keeps the histories that it makes, in place of those that are there. */
export const RECORDING = process.env['METERLINE_RECORD_HISTORIES'] === '1';

/** Keeps the history of a run as a fixture, when this run of the tests is there to record. */
export async function record(client: Client, name: string, workflowId: string, runId?: string): Promise<void> {
  if (!RECORDING) return;
  const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  mkdirSync(HISTORIES, { recursive: true });
  // Stacks name the files of whoever recorded; where these lie on that machine is nobody's business.
  const text = JSON.stringify(JSON.parse(historyToJSON(history))).replaceAll(ROOT, '');
  writeFileSync(`${HISTORIES}${name}.json`, `${text}\n`);
}
