import { defineConfig } from 'vitest/config'

/** These need the machine for themselves: they load it, or count what it takes. */
const alone = [
  'test/soak.test.ts',
  'test/mcp-streams.test.ts',
  'test/large-bodies.test.ts',
  'test/takeover.test.ts',
  'test/hot-restart.test.ts',
  'test/failover-redis.test.ts',
]

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
          sequence: { groupOrder: 0 },
        },
      },
      {
        // A real Envoy each. They wait for processes most of the time, so two files run side by side.
        test: {
          name: 'e2e',
          include: ['test/**/*.test.ts'],
          exclude: alone,
          pool: 'forks',
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'alone',
          include: alone,
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
