import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/servers.ts'],
    // The Temporal runtime is one per process, and a file's databases and servers are its own.
    pool: 'forks',
    // More than there are processors on a small machine: many files wait for servers and for time most of the time.
    maxWorkers: 4,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
  },
});
