import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Simulator } from '../../simulator/simulator.ts';
import { simulate } from './client.ts';

let simulator: Simulator;
beforeAll(async () => {
  simulator = await simulate();
});
afterAll(() => simulator.close());

describe('data', () => {
  it('is the same for the same seed and clock, in whatever order a client asks', async () => {
    const [left, right, other] = await Promise.all([simulate(), simulate(), simulate({ seed: 'other' })]);
    left.control.ledger({ report: 'cost', from: '2026-01-01', to: '2026-01-31' });
    const range = { from: '2026-10-01', to: '2026-11-12' };
    expect(left.control.ledger({ report: 'cost', ...range })).toEqual(
      right.control.ledger({ report: 'cost', ...range }),
    );
    expect(left.control.ledger({ report: 'usage', ...range })).toEqual(
      right.control.ledger({ report: 'usage', ...range }),
    );
    expect(left.control.organization()).toEqual(right.control.organization());
    expect(left.control.keys()).toEqual(right.control.keys());
    expect(other.control.ledger({ report: 'cost', ...range })).not.toEqual(
      left.control.ledger({ report: 'cost', ...range }),
    );
    await Promise.all([left.close(), right.close(), other.close()]);
  });

  it('has what real organizations have: null workspaces, costs other than tokens, unknown values, quiet days, huge counts', () => {
    const cost = simulator.control.ledger({ report: 'cost', from: '2025-11-01', to: '2026-11-11' });
    const usage = simulator.control.ledger({ report: 'usage', from: '2026-10-13', to: '2026-11-11' });
    const types = new Set(cost.map((line) => line.cost_type));
    expect([...types].sort()).toEqual(['agent_runtime', 'code_execution', 'session_usage', 'tokens', 'web_search']);
    expect(cost.some((line) => line.workspace_id === null)).toBe(true);
    expect(cost.some((line) => line.extra !== undefined)).toBe(true);
    expect(cost.filter((line) => line.cost_type !== 'tokens').every((line) => line.model === null)).toBe(true);
    const days = new Set(cost.map((line) => line.day));
    expect(days.has('2025-12-25')).toBe(false);
    expect(days.size).toBeLessThan(375);
    expect(days.size).toBeGreaterThan(300);
    expect(usage.some((line) => line.cache_read_input_tokens > 2 ** 31)).toBe(true);
    expect(usage.some((line) => line.service_tier === 'priority')).toBe(true);
    expect(cost.some((line) => line.service_tier === 'priority')).toBe(false);
  });

  it('has series that no earlier day has, on most days', () => {
    const seen = new Set<string>();
    let fresh = 0;
    for (const line of simulator.control.ledger({ report: 'cost', from: '2026-09-01', to: '2026-11-11' })) {
      const series = JSON.stringify({ ...line, day: '', amount_cents: '', amount_usd: '' });
      fresh += line.day >= '2026-10-13' && !seen.has(series) ? 1 : 0;
      seen.add(series);
    }
    expect(fresh).toBeGreaterThan(30);
  });

  it('has old costs of the archived workspace and none after it was archived', () => {
    const archived = simulator.control.organization().workspaces.find((workspace) => workspace.archived_at !== null);
    const days = simulator.control
      .ledger({ report: 'cost', from: '2026-10-01', to: '2026-11-12' })
      .filter((line) => line.workspace_id === archived?.id)
      .map((line) => line.day);
    expect(days.length).toBeGreaterThan(0);
    expect(days.every((day) => day < '2026-10-23')).toBe(true);
  });

  it('has about linesPerDay cost lines each day', async () => {
    const large = await simulate({ linesPerDay: 3_000 });
    const lines = large.control.ledger({ report: 'cost', from: '2026-11-08', to: '2026-11-08' }).length;
    expect(lines).toBeGreaterThan(2_900);
    expect(lines).toBeLessThan(3_200);
    await large.close();
  });
});
