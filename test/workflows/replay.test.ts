import { readFileSync, readdirSync } from 'node:fs';
import { Worker } from '@temporalio/worker';
import { describe, expect, inject, it } from 'vitest';
import { PAYLOAD_CONVERTER } from '../../worker/worker.ts';
import { HISTORIES } from '../support/histories.ts';

const fixtures = readdirSync(HISTORIES).filter((name) => name.endsWith('.json'));

describe('workflow code', () => {
  it('is held against histories of both workflows, of every way that they went', () => {
    expect(fixtures.sort()).toEqual([
      'connection-awaited.json',
      'connection-continued.json',
      'connection-disconnected.json',
      'connection-first.json',
      'connection-healed.json',
      'connection-purged.json',
      'connection-refused.json',
      'connection-restored.json',
      'connection-resumed.json',
      'connection-rotated.json',
      'connection-told-nonsense.json',
      'connection-unanswered.json',
      'server-connection-interrupted.json',
      'server-connection.json',
      'server-sync-reset.json',
      'sync-around-a-day.json',
      'sync-backfill.json',
      'sync-cancelled.json',
      'sync-caught-up.json',
      'sync-daily.json',
      'sync-doubtful.json',
      'sync-failed.json',
      'sync-flagged-at-first.json',
      'sync-flagged.json',
    ]);
  });

  it.each(fixtures)('replays %s: what was decided once is decided again', async (name) => {
    const history: unknown = JSON.parse(readFileSync(HISTORIES + name, 'utf8'));
    const code = { workflowBundle: { codePath: inject('workflowBundlePath') } };
    await Worker.runReplayHistory({ ...code, dataConverter: { payloadConverterPath: PAYLOAD_CONVERTER } }, history);
  });

  it.each(fixtures)('left no key in %s', (name) => {
    expect(readFileSync(HISTORIES + name, 'utf8')).not.toMatch(/sk-ant|c2stYW50/);
  });
});
