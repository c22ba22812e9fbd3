import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ListenerRule, Rules } from '../config/schema.ts'
import { type DemoUpstream, startDemo } from '../demo.ts'
import { findEnvoy } from '../envoy/binary.ts'
import { EnvoyProcess } from '../envoy/process.ts'
import type { Transport } from '../envoy/server.ts'
import { Service } from '../service.ts'
import { beginGatewayApi, type GatewayApiOptions } from './gateway-api.ts'
import { apiAddress, begin, type LoadedRules, reason, type StoreOptions } from './rules.ts'
import { stopSignal } from './signals.ts'

/** Requests under way when the gateway is told to stop may take this long. */
const drainMs = 15_000
const startMs = 30_000

const say = (message: string) => void process.stderr.write(`${message}\n`)

/**
 * `chaperone run`: the whole gateway, the service and an Envoy, until a signal ends it.
 * @returns the exit code
 */
export async function run(
  options: {
    file?: string | undefined
    concurrency: number
    transport?: Transport | undefined
  } & StoreOptions &
    GatewayApiOptions,
): Promise<number> {
  if (!Number.isInteger(options.concurrency) || options.concurrency < 1) {
    say('--concurrency must be a whole number of at least 1')
    return 1
  }
  const stopped = stopSignal()
  const directory = mkdtempSync(join(tmpdir(), 'chaperone-'))
  let demo: DemoUpstream | undefined
  let service: Service | undefined
  let envoy: EnvoyProcess | undefined
  try {
    const demoUrl = async () => {
      demo = await startDemo()
      return demo.url
    }
    const report = (error: unknown) => (service ? service.telemetry.report(error, '') : say(reason(error)))
    const loaded = options.gatewayApi
      ? await beginGatewayApi(options, report)
      : await begin(options, process.env, demoUrl, report)
    for (const warning of loaded.warnings) say(warning)
    const socket = join(directory, 'service.sock')
    let refuse: (error: Error) => void = () => undefined
    const refused = new Promise<never>((_, reject) => {
      refuse = reject
    })
    refused.catch(() => undefined)
    service = new Service({
      rules: loaded.rules,
      revision: loaded.revision,
      source: loaded.source,
      backend: loaded.backend,
      objects: loaded.objects,
      api: apiAddress(options.api, process.env),
      socket,
      transport: options.transport,
      notReady: (gateway) => (gateway.discovery.settled ? undefined : 'Envoy has not taken its configuration yet'),
      envoyHere: true,
      envoyAdmin: async (path) => {
        const answer = await envoy?.admin(path)
        if (answer?.status !== 200) throw new Error('Envoy does not answer')
        return answer.body
      },
      rejected: (message) => refuse(new Error(`Envoy refused its configuration: ${message}`)),
    })
    const { gateway, telemetry } = service
    const binary = await findEnvoy(process.env, say)
    await service.start()
    envoy = new EnvoyProcess({
      binary,
      socket,
      transport: options.transport,
      concurrency: options.concurrency,
      log: (level, line) => {
        // That it was told to end is no news.
        if (!line.includes('caught ENVOY_SIGTERM'))
          telemetry.log[level === 'warning' ? 'warn' : 'error']({ envoy: true }, line)
      },
      crashed: (reason) => telemetry.log.error({ envoy: true }, `Envoy ended (${reason}) and is started again`),
    })
    envoy.start()
    const settled = until(() => gateway.discovery.settled, startMs)
    const outcome = await Promise.race([settled, refused, stopped])
    if (outcome === false) throw new Error(`Envoy did not take its configuration within ${startMs / 1000} s`)
    if (outcome === true) {
      announce(loaded)
      await stopped
    }
    say('stopping: requests under way are finished first')
    return 0
  } catch (error) {
    say(`Chaperone cannot start: ${error instanceof Error ? error.message : String(error)}`)
    return 1
  } finally {
    service?.stopping()
    await envoy?.stop(drainMs)
    await service?.stop(1_000)
    await demo?.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** @returns whether it came true in time */
async function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (!condition()) {
    if (performance.now() > deadline) return false
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return true
}

function announce({ rules, file, revision, demo }: LoadedRules): void {
  const listeners = Object.values(rules.listeners)
  const front = listeners.filter(({ serves }) => !serves.includes('egress'))
  const first = front[0] ?? listeners[0]
  if (!first) {
    say('Chaperone is ready, and waits for a Gateway.')
    return
  }
  const url = urlOf(first)
  say(`Chaperone is ready.
  rules     ${revision !== undefined ? `revision ${revision} of the store` : (file ?? (demo ? 'none, and no provider key is set: a local demo upstream answers' : 'made from the keys in the environment'))}
  agents    ${front.map((listener) => `${urlOf(listener)}/v1`).join(', ') || 'by the proxy'}
  models    ${Object.keys(rules.models).join(', ') || 'none'}${mcpLine(rules, url)}${a2aLine(rules, url)}${egressLine(rules)}
  metrics   ${metricsUrl(rules)}

Try it:
${tryIt(rules, url)}`)
}

/** Where MCP clients connect, and to what. */
function mcpLine({ mcp }: Rules, url: string): string {
  const servers = Object.keys(mcp.servers)
  if (servers.length === 0) return ''
  const endpoints = Object.keys(mcp.endpoints)
  const paths =
    endpoints.length === 0 ? ['/mcp'] : endpoints.map((name) => (name === 'default' ? '/mcp' : `/mcp/${name}`))
  return `\n  mcp       ${paths.map((path) => url + path).join(', ')} (${servers.join(', ')})`
}

/** Where agents are, for those who delegate to them. */
function a2aLine({ a2a }: Rules, url: string): string {
  const agents = Object.keys(a2a.agents)
  return agents.length === 0 ? '' : `\n  a2a       ${agents.map((name) => `${url}/a2a/${name}`).join(', ')}`
}

/** Where agents send calls to elsewhere, and whom they have to trust. */
function egressLine({ listeners, egress }: Rules): string {
  const serving = Object.values(listeners).filter(({ serves }) => serves.includes('egress'))
  if (serving.length === 0) return ''
  const trusted = authorityFile(egress)
  const places = serving.map((listener) => `${urlOf(listener)} (${listener.transparent ? 'iptables' : 'HTTPS_PROXY'})`)
  return `\n  egress    ${places.join(', ')}${trusted === undefined ? '' : `; agents trust ${trusted}`}`
}

/** The certificate that agents have to trust. */
function authorityFile({ authority }: Rules['egress']): string | undefined {
  return authority?.certificateFile ?? (authority?.directory && join(authority.directory, 'ca.pem'))
}

function tryIt(rules: Rules, url: string): string {
  const caught = Object.values(rules.listeners)
  if (caught.every(({ serves }) => serves.includes('egress')))
    return `  curl --proxy ${url} --cacert ${authorityFile(rules.egress) ?? '…'} https://api.openai.com/v1/models`
  if (Object.keys(rules.models).length > 0)
    return `  curl ${url}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model": "${exampleModel(rules)}", "messages": [{"role": "user", "content": "Hello"}]}'`
  if (Object.keys(rules.mcp.servers).length > 0)
    return `  npx @modelcontextprotocol/inspector --cli ${url}/mcp --transport http --method tools/list`
  if (Object.keys(rules.a2a.agents).length > 0) return `  curl ${url}/a2a`
  return `  curl ${url}/`
}

function urlOf({ address, port, tls }: ListenerRule): string {
  const host = address === '0.0.0.0' || address === '::' ? 'localhost' : address
  return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

function metricsUrl({ telemetry: { address, port } }: Rules): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}/metrics`
}

/** A name that a request may use: one without a star, or a known member of a family. */
function exampleModel({ models }: Rules): string {
  const names = Object.keys(models)
  const plain = names.find((name) => !name.endsWith('*'))
  if (plain !== undefined) return plain
  const families: Record<string, string> = {
    'claude-*': 'claude-haiku-4-5',
    'gemini-*': 'gemini-2.5-flash',
    'gpt-*': 'gpt-4o-mini',
  }
  for (const name of names) if (families[name] !== undefined) return families[name]
  return 'gpt-4o-mini'
}
