import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/servers.ts'],
    // Each file needs a process of its own: Temporal's runtime exists once per process.
    pool: 'forks',
    // More than a small machine has processors: most files wait for servers and for time.
    maxWorkers: 4,
    // A process runs several files, one after the other: starting it and loading Temporal takes longer than most files.
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
  },
});
