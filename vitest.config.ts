import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        // Pure code and small sockets: one process, no isolation, well under a minute.
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts'],
          pool: 'threads',
          isolate: false,
          environment: 'node',
          // A busy machine is no failure.
          testTimeout: 60_000,
        },
      },
      {
        // A real Envoy each: files run one after another, so that ports and cores are theirs alone.
        test: {
          name: 'e2e',
          include: ['test/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
