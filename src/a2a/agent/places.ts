import { createHash } from 'node:crypto'
import type { A2aAgentRule } from '../../config/a2a.ts'
import { durationMs } from '../../config/primitives.ts'
import type { Upstream } from '../../protocol.ts'
import type { A2aBinding } from '../operations.ts'

/** Where an agent may be asked. Each place is an upstream of Envoy's, made with the rules: what a card says comes too late to add one. */

/**
 * The places of an agent: its URL's, those of the interfaces that the rules name, and its other hosts.
 * @throws {RangeError} where a URL holds what it must not
 */
export function placesOf(name: string, rule: A2aAgentRule): Upstream[] {
  const places = new Map<string, Upstream>()
  const add = (url: URL, path: string, bindings: readonly A2aBinding[] = ['jsonrpc']) => {
    if (url.username || url.password || url.hash)
      throw new RangeError(`${path}: must not hold a user name, a password or a fragment`)
    for (const binding of bindings) {
      const upstream = placeOf(name, rule, url, binding)
      places.set(upstream.id, upstream)
    }
  }
  // A card may say of any of them that gRPC is spoken there.
  const any = rule.interfaces === 'auto' ? (['jsonrpc', 'grpc'] as const) : undefined
  const own = new URL(rule.url)
  add(own, `a2a.agents.${name}.url`, any)
  if (rule.interfaces !== 'auto')
    for (const [index, { url, binding }] of rule.interfaces.entries())
      add(new URL(url), `a2a.agents.${name}.interfaces[${index}].url`, [binding])
  if (rule.card.url !== undefined) add(new URL(rule.card.url), `a2a.agents.${name}.card.url`)
  for (const host of rule.hosts) add(new URL(`${own.protocol}//${host}`), `a2a.agents.${name}.hosts`, any)
  return [...places.values()]
}

/** The upstream that a URL of an agent is at, whether or not the rules let it be asked. @param binding what is spoken there */
export function placeOf(name: string, rule: A2aAgentRule, url: URL, binding: A2aBinding): Upstream {
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  const address = {
    scheme,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port ? Number(url.port) : scheme === 'https' ? 443 : 80,
    connectTimeoutMs: durationMs(rule.connectTimeout),
    serverName: rule.tls?.serverName,
    caFile: rule.tls?.caFile,
    // With TLS both are spoken at one place: the handshake says which.
    ...(binding === 'grpc' && scheme === 'http' && { http2: true as const }),
  } as const
  const hash = createHash('sha256').update(JSON.stringify(address)).digest('hex').slice(0, 10)
  return { id: `a2a/${name}@${hash}`, ...address }
}
