import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

/** Which folder of src/ may import from which; ARCHITECTURE.md has the same table in words. `type` imports do not count. */
const allowed: Record<string, readonly string[]> = {
  'protocol.ts': [],
  'json.ts': [],
  'sse.ts': [],
  'demo.ts': [],
  'redis-listener.ts': [],
  demo: [],
  config: [],
  identity: ['redis-listener.ts', 'config'],
  policy: ['config'],
  limits: ['config'],
  guards: ['config', 'identity'],
  store: ['redis-listener.ts', 'config'],
  usage: [],
  takeover: [],
  audit: [],
  api: ['audit', 'governance', 'identity', 'usage', 'store'],
  governance: ['config', 'identity', 'policy', 'limits', 'guards'],
  'llm/dialects': ['llm', 'json.ts', 'sse.ts'],
  'llm/providers': ['config', 'llm', 'json.ts', 'sse.ts'],
  'llm/embeddings': ['llm', 'llm/dialects', 'json.ts', 'sse.ts'],
  'llm/replies': ['llm', 'llm/dialects', 'llm/embeddings', 'json.ts', 'sse.ts'],
  llm: [
    'config',
    'json.ts',
    'sse.ts',
    'protocol.ts',
    'guards',
    'identity',
    'limits',
    'llm/dialects',
    'llm/providers',
    'llm/embeddings',
    'llm/replies',
  ],
  http: ['limits', 'protocol.ts'],
  'gateway-api': ['config'],
  mcp: ['config', 'identity', 'limits', 'redis-listener.ts', 'protocol.ts', 'json.ts', 'sse.ts'],
  a2a: ['config', 'guards', 'identity', 'limits', 'mcp', 'protocol.ts', 'json.ts', 'sse.ts'],
  egress: ['a2a', 'config', 'mcp', 'protocol.ts'],
  telemetry: [],
  'envoy/wire': ['protocol.ts', 'envoy'],
  'envoy/xds': ['config', 'protocol.ts', 'envoy'],
  'envoy/targets': ['config', 'envoy', 'envoy/xds'],
  'envoy/h2': [],
  envoy: ['protocol.ts', 'config', 'takeover', 'envoy/wire', 'envoy/xds', 'envoy/h2'],
}

/** The folder of the table that a file belongs to: the longest that fits. */
function layerOf(file: string): string {
  const [first = '', second] = file.split('/')
  const nested = `${first}/${second}`
  return nested in allowed ? nested : first
}

const imports = /^import (?!type )[^']*?from '(\.[^']+)'/gms

test('imports point one way', () => {
  const wrong: string[] = []
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.endsWith('testing.ts'),
  )
  for (const file of files) {
    const layer = layerOf(file)
    const may = allowed[layer]
    if (!may) continue // gateway.ts, service.ts, main.ts and cli/ put everything together
    for (const [, specifier] of readFileSync(join('src', file), 'utf8').matchAll(imports)) {
      const target = layerOf(relative('src', join('src', dirname(file), specifier!)))
      if (target !== layer && !may.includes(target)) wrong.push(`${file} imports ${specifier}`)
    }
  }
  expect(wrong).toEqual([])
  expect(files.length).toBeGreaterThan(50)
})
