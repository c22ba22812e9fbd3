import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AttachedEnvoy, AttachedWatch, markerOf } from './attached.ts'
import type { EnvoyConfig } from './xds/resources.ts'

const directory = mkdtempSync(join(tmpdir(), 'chaperone-attached-'))
const socket = join(directory, 'admin.sock')
let known: string[] = []
const server = createServer((request, response) => {
  const names = request.url?.includes('resource=static_clusters') ? known.slice(0, 1) : known.slice(1)
  const cluster = (name: string) => ({ cluster: { '@type': 'envoy.config.cluster.v3.Cluster', name } })
  response.end(JSON.stringify(names.length > 0 ? { configs: names.map(cluster) } : {}))
})

beforeAll(() => new Promise<void>((resolve) => server.listen(socket, resolve)))
afterAll(() => {
  server.close()
  rmSync(directory, { recursive: true, force: true })
})

const config = (clusters: string[], port = 1): EnvoyConfig => ({
  cluster: new Map(clusters.map((name) => [name, { name }])),
  endpoint: new Map(),
  secret: new Map(),
  listener: new Map([['default', { name: 'default', port }]]),
  route: new Map(),
})

test('what is missing are clusters that Envoy has in neither way, and the marker of other listeners', async () => {
  const envoy = new AttachedEnvoy(socket)
  const rules = config(['a', 'b', 'c'])
  known = ['a', 'b', markerOf(config([], 2))]
  expect(await envoy.missing(rules)).toEqual(['c', markerOf(rules)])
  known = ['a', 'b', 'c', markerOf(rules)]
  expect(await envoy.missing(rules)).toEqual([])
  await expect(new AttachedEnvoy(join(directory, 'none')).missing(rules)).rejects.toMatchObject({ code: 'ENOENT' })
})

test('the watch tells of changes only, and tries what waits again until it is taken back', async () => {
  const answers: (string[] | Error)[] = [[], [], ['a'], ['a'], new Error('gone'), []]
  const told: unknown[] = []
  let tries = 0
  await new Promise<void>((done) => {
    const watch = new AttachedWatch({
      envoy: {
        missing: async () => {
          const answer = answers.shift()
          if (answer instanceof Error) throw answer
          if (answer) return answer
          watch.stop()
          done()
          return []
        },
      },
      config: () => config([]),
      changed: (missing) => told.push(missing),
      everyMs: 1,
    })
    watch.retry(async () => {
      if (++tries === 3) watch.retry(undefined)
      throw new Error('not yet')
    })
    watch.start()
  })
  expect(told).toEqual([[], ['a'], new Error('gone'), []])
  expect(tries).toBe(3)
})
