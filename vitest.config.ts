import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The longest files begin first, so that no processor waits for one of them at the end. Sizes do not tell which they are. */
const LONGEST = [
  'model-1',
  'model-2',
  'fuzz',
  'killed-deliveries',
  'lifecycle',
  'contract',
  'canary',
  'rotation',
  'statuses',
  'commits',
  'waiting',
  'sixty-days',
];

/** Browsers take both processors of a small machine, so the tests with a clock come before them; of these, the longest first. */
const LAST = [
  'budgets',
  'everybody',
  'first-use',
  'outages',
  'connection',
  'explore',
  'chargeback',
  'alerts',
  'pictures',
  'roles',
  'harness',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const last = LAST.findIndex((name) => moduleId.endsWith(`/console/${name}.test.ts`));
      if (last >= 0) return LONGEST.length + 1 + last;
      const place = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return place < 0 ? LONGEST.length : place;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/servers.ts'],
    // Each worker needs a process of its own: Temporal's runtime exists once per process.
    pool: 'forks',
    // More than a small machine has processors: most files wait for servers and for time.
    maxWorkers: 3,
    // A process runs several files, one after the other: starting it and loading Temporal takes longer than most files.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    testTimeout: 240_000,
    hookTimeout: 240_000,
    teardownTimeout: 20_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
