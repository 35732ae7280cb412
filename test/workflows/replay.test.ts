import { readFileSync, readdirSync } from 'node:fs';
import { Worker } from '@temporalio/worker';
import { describe, expect, inject, it } from 'vitest';
import { PAYLOAD_CONVERTER } from '../../worker/worker.ts';
import { HISTORIES } from '../support/histories.ts';

const fixtures = readdirSync(HISTORIES).filter((name) => name.endsWith('.json'));

describe('workflow code', () => {
  it('is held against histories of all workflows, of every way that they went', () => {
    const ways = [
      'assess',
      'assess-failed',
      'connection-awaited',
      'connection-continued',
      'connection-disconnected',
      'connection-first',
      'connection-healed',
      'connection-purged',
      'connection-refused',
      'connection-restored',
      'connection-resumed',
      'connection-rotated',
      'connection-told-nonsense',
      'connection-unanswered',
      'delivery-cancelled',
      'delivery-failed',
      'delivery-held',
      'delivery-retried',
      'delivery-sent',
      'server-connection-interrupted',
      'server-connection',
      'server-delivery-reset',
      'server-sync-reset',
      'sync-around-a-day',
      'sync-backfill',
      'sync-cancelled',
      'sync-caught-up',
      'sync-daily',
      'sync-suspect',
      'sync-failed',
      'sync-flagged-at-first',
      'sync-flagged',
    ];
    expect(fixtures.sort()).toEqual(ways.map((way) => `${way}.json`).sort());
  });

  it.each(fixtures)('replays %s with the same decisions', async (name) => {
    const history: unknown = JSON.parse(readFileSync(HISTORIES + name, 'utf8'));
    const code = { workflowBundle: { codePath: inject('workflowBundlePath') } };
    await Worker.runReplayHistory({ ...code, dataConverter: { payloadConverterPath: PAYLOAD_CONVERTER } }, history);
  });

  it.each(fixtures)('left no key and no place of a machine in %s', (name) => {
    const text = readFileSync(HISTORIES + name, 'utf8');
    expect(text).not.toMatch(/sk-ant|c2stYW50/);
    expect(text).not.toMatch(/[( ](?:file:\/\/)?\/[^" ]+\.[jt]s:\d/);
  });
});
