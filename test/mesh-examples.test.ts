import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { render } from '../src/cli/render.ts'
import { findEnvoy } from '../src/envoy/binary.ts'
import type { TargetName } from '../src/envoy/targets/names.ts'
import { asBootstrap } from './mesh/configuration.ts'
import { applyEnvoyFilter, type EnvoyFilter, sidecar } from './mesh/istiod.ts'

/** Whatever rules can say, rendered for somebody else's Envoy: the real Envoy takes it, or the command says what cannot be. */

const directory = mkdtempSync(join(tmpdir(), 'chaperone-mesh-examples-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

async function rendered(target: TargetName, file: string, options: object = {}) {
  let [text, said] = ['', '']
  const { write } = process.stderr
  process.stderr.write = (chunk) => {
    said += chunk
    return true
  }
  try {
    const socket = join(directory, 'service.sock')
    const code = await render({ target, file, socket, ...options }, (part) => {
      text += part
    })
    return { code, said, documents: parseAllDocuments(text).map((each) => each.toJS()) }
  } finally {
    process.stderr.write = write
  }
}

async function validated(bootstrap: unknown): Promise<string> {
  const file = join(directory, 'envoy.json')
  writeFileSync(file, JSON.stringify(bootstrap))
  const { status, stderr } = spawnSync(
    await findEnvoy(process.env, () => undefined),
    ['--mode', 'validate', '--config-path', file, '--disable-hot-restart', '--log-level', 'error'],
    { encoding: 'utf8' },
  )
  return status === 0 ? 'valid' : stderr
}

interface Example {
  egress?: { authority?: unknown }
  http?: { routes: { apiKey?: unknown }[] }
}

/** An example without what no target can carry; relative paths are those of its own directory. */
function example(name: string): string {
  const text = readFileSync(join('examples', name), 'utf8')
    .replace('agents-ca.pem', 'test/tls/ca.pem')
    .replace('server.pem', 'test/tls/listener-1.pem')
    .replace('server.key', 'test/tls/listener-1-key.pem')
  const rules = parse(text) as Example
  for (const route of rules.http?.routes ?? []) delete route.apiKey
  delete rules.egress?.authority
  const file = join(directory, name)
  writeFileSync(file, stringify(rules))
  return file
}

function withAuthority(): string {
  const file = join(directory, 'authority.yaml')
  writeFileSync(
    file,
    stringify({
      listeners: { default: { port: 10000, serves: ['egress'] } },
      providers: { openai: { type: 'openai', apiKey: '${env:OPENAI_API_KEY}' } },
      models: { 'gpt-*': { targets: [{ provider: 'openai' }] } },
      egress: { authority: { certificateFile: 'test/tls/ca.pem', keyFile: 'test/tls/ca-key.pem' } },
    }),
  )
  return file
}

/** Those that differ for Envoy. */
const examples = ['everything.yaml', 'http.yaml', 'agents.yaml', 'tls.yaml']

test.each(examples)('%s in a static file, with either kind of failover', async (name) => {
  for (const failover of ['composite', 'aggregate']) {
    const { code, said, documents } = await rendered('envoy-static', example(name), { failover })
    expect({ code, said }).toEqual({ code: 0, said: '' })
    expect(await validated(documents[0])).toBe('valid')
  }
})

test.each(examples)('%s beside Istio’s proxy, or what its build has not', async (name) => {
  const { code, said, documents } = await rendered('istio', example(name))
  if (code !== 0) {
    expect(said).toMatch(/^Istio's proxy is built without .*(?:path templates|HTTP\/3)|^listeners\.\w+\.serves: egress/)
    return
  }
  const filter = documents.find(({ kind }) => kind === 'EnvoyFilter') as EnvoyFilter
  const base = sidecar({ name: 'echo.default.svc.cluster.local', port: 80 })
  expect(await validated(asBootstrap(applyEnvoyFilter(base, filter, 'SIDECAR_OUTBOUND'), '/tmp/admin.sock'))).toBe(
    'valid',
  )
})

test('what a target cannot carry is refused by its name, and nothing is written', async () => {
  const output = join(directory, 'refused')
  const cases: [target: TargetName, file: string, message: RegExp][] = [
    ['envoy-static', 'examples/everything.yaml', /would have to stand in Envoy's own configuration.*identity/],
    ['envoy-gateway', example('http.yaml'), /^http\.routes: are not carried to Envoy Gateway, which has HTTPRoute/],
    ['envoy-gateway', 'examples/tls.yaml', /^listeners\.\w+\.tls: Envoy Gateway ends TLS/],
    ['envoy-static', withAuthority(), /^egress\.authority: its certificates are made when Envoy asks/],
    ['envoy-gateway', withAuthority(), /^listeners\.\w+\.serves: egress needs what Envoy Gateway's bootstrap/],
  ]
  for (const [target, file, message] of cases) {
    const { code, said, documents } = await rendered(target, file, { output })
    expect(code, file).toBe(1)
    expect(said, file).toMatch(message)
    expect(documents, file).toEqual([])
  }
  expect(readdirSync(directory)).not.toContain('refused')
})
