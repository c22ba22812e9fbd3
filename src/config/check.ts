import { isIP } from 'node:net'
import { checkEgress } from './egress-check.ts'
import { checkHttp } from './http-check.ts'
import type { Path } from './path.ts'
import type { Rules } from './schema.ts'
import { unknownName } from './suggest.ts'

/** A finding in rules whose form is right. */
export interface Finding {
  path: Path
  message: string
  suggestion?: string
}

/**
 * Checks what the schema cannot: names that must exist, things that exclude each other.
 * @param options.order whether to look for routes that others leave nothing for, which takes the square of their number; default: true
 */
export function checkRules(
  rules: Rules,
  options: { order?: boolean } = {},
): { errors: Finding[]; warnings: Finding[] } {
  const http = checkHttp(rules, options)
  const errors = [
    ...something(rules),
    ...listeners(rules),
    ...providers(rules),
    ...models(rules),
    ...aliases(rules),
    ...identities(rules),
    ...budgets(rules),
    ...guards(rules),
    ...mcpServers(rules),
    ...notifications(rules),
    ...http.errors,
    ...checkEgress(rules),
  ]
  const used = new Set(Object.values(rules.models).flatMap(({ targets }) => targets.map(({ provider }) => provider)))
  const warnings = Object.keys(rules.providers)
    .filter((name) => !used.has(name))
    .map(
      (name): Finding => ({
        path: ['providers', name],
        message: 'no model uses this provider; name it in a target, or leave it out',
      }),
    )
  return { errors, warnings: [...warnings, ...http.warnings] }
}

function something({ models, providers, mcp, a2a, http, listeners }: Rules): Finding[] {
  if (Object.values(listeners).some(({ serves }) => serves.includes('egress'))) return []
  const empty = [models, providers, mcp.servers, a2a.agents, http.routes, http.passthrough].every(
    (section) => Object.keys(section).length === 0,
  )
  return empty
    ? [
        {
          path: [],
          message:
            'there is nothing to serve: it needs models with providers, mcp.servers, a2a.agents, http.routes or http.passthrough',
        },
      ]
    : []
}

function mcpServers({ mcp }: Rules): Finding[] {
  const findings: Finding[] = []
  const names = Object.keys(mcp.servers)
  for (const [name, server] of Object.entries(mcp.servers)) {
    if (!('replicas' in server)) continue
    const kinds = new Set(
      server.replicas.map((replica) => isIP(replica.replace(/:\d+$/, '').replace(/[[\]]/g, '')) !== 0),
    )
    if (kinds.size > 1)
      findings.push({
        path: ['mcp', 'servers', name, 'replicas'],
        message: 'must be either all IP addresses or all names: Envoy resolves all of them or none',
      })
  }
  const endpoints = Object.entries(mcp.endpoints)
  for (const [endpoint, { servers }] of endpoints.length > 0 ? endpoints : [['', { servers: undefined }] as const]) {
    const path: Path = endpoint === '' ? ['mcp', 'servers'] : ['mcp', 'endpoints', endpoint, 'servers']
    const seen = new Map<string, string>()
    for (const [index, name] of (servers ?? names).entries()) {
      const rule = Object.hasOwn(mcp.servers, name) ? mcp.servers[name] : undefined
      if (!rule) {
        findings.push({ path: [...path, index], ...unknownName('server', name, names) })
        continue
      }
      const prefix = rule.prefix ?? name
      const other = seen.get(prefix)
      if (other !== undefined)
        findings.push({
          path,
          message: `${other} and ${name} have ${prefix === '' ? 'no prefix' : `the same prefix ${prefix}`}; their tools could not be told apart`,
        })
      seen.set(prefix, name)
    }
  }
  return findings
}

function notifications({ a2a: { push, signer } }: Rules): Finding[] {
  return push.sign && signer === undefined
    ? [{ path: ['a2a', 'push', 'sign'], message: 'needs a2a.signer: clients have to find the key that signed' }]
    : []
}

function listeners({ listeners, telemetry }: Rules): Finding[] {
  const findings: Finding[] = []
  // The port tells the service which listener a request came by, and so whose requests it takes.
  const ports = new Map<number, string>()
  for (const [name, { address, port, tls }] of Object.entries(listeners)) {
    const seen = new Set<string>()
    for (const [index, { hosts }] of (tls?.certificates ?? []).entries())
      for (const host of hosts) {
        if (seen.has(host))
          findings.push({
            path: ['listeners', name, 'tls', 'certificates', index, 'hosts'],
            message: `${host} has a certificate above already; leave one out`,
          })
        seen.add(host)
      }
    const path: Path = ['listeners', name, 'port']
    const other = ports.get(port)
    if (other !== undefined)
      findings.push({
        path,
        message: `listeners.${other} has the port ${port} as well; each needs one of its own, also at another address`,
      })
    else ports.set(port, name)
    if (port === telemetry.port && overlap(address, telemetry.address))
      findings.push({ path, message: `must be another one: telemetry has the port ${port} at ${telemetry.address}` })
  }
  return findings
}

const everywhere = ['0.0.0.0', '::']

function overlap(one: string, other: string): boolean {
  return one === other || everywhere.includes(one) || everywhere.includes(other)
}

const label = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/
const visible = /^[\x21-\x7e]+$/

function providers({ providers }: Rules): Finding[] {
  const findings: Finding[] = []
  for (const [name, rule] of Object.entries(providers)) {
    const add = (field: string, message: string) => findings.push({ path: ['providers', name, field], message })
    if (rule.baseUrl !== undefined) {
      const { username, password, search, hash } = new URL(rule.baseUrl)
      if (username || password || search || hash)
        add('baseUrl', 'must not hold a user name, a password, a query or a fragment; leave them out')
    }
    switch (rule.type) {
      case 'azure-openai':
        if ((rule.apiKey === undefined) === (rule.bearerToken === undefined))
          add(rule.apiKey === undefined ? 'type' : 'bearerToken', 'needs exactly one of apiKey and bearerToken')
        break
      case 'bedrock': {
        if (!label.test(rule.region))
          add('region', 'must be lower-case letters, digits and dashes, such as eu-central-1')
        if ((rule.accessKeyId === undefined) !== (rule.secretAccessKey === undefined))
          add(
            rule.accessKeyId === undefined ? 'secretAccessKey' : 'accessKeyId',
            'needs accessKeyId and secretAccessKey together',
          )
        if (rule.sessionToken !== undefined && rule.accessKeyId === undefined)
          add('sessionToken', 'needs accessKeyId and secretAccessKey as well')
        const ways = [rule.apiKey, rule.accessKeyId, rule.profile].filter((way) => way !== undefined)
        if (ways.length > 1) add('type', 'takes only one of apiKey, accessKeyId and profile')
        break
      }
      case 'vertex':
        if (!label.test(rule.location))
          add('location', 'must be lower-case letters, digits and dashes, such as europe-west1')
        break
      case 'openai':
        for (const field of ['organization', 'project'] as const)
          if (rule[field] !== undefined && !visible.test(rule[field]))
            add(field, 'must be visible ASCII without blanks')
        break
      case 'anthropic':
        if (!visible.test(rule.version)) add('version', 'must be visible ASCII without blanks')
        break
    }
  }
  return findings
}

function models({ models, providers }: Rules): Finding[] {
  const findings: Finding[] = []
  const names = Object.keys(providers)
  for (const [name, { targets }] of Object.entries(models)) {
    const seen = new Set<string>()
    targets.forEach(({ provider, model }, index) => {
      const path: Path = ['models', name, 'targets', index]
      if (!Object.hasOwn(providers, provider))
        findings.push({ path: [...path, 'provider'], ...unknownName('provider', provider, names) })
      const key = JSON.stringify([provider, model])
      if (seen.has(key)) findings.push({ path, message: 'this provider and model stand here twice; leave one out' })
      seen.add(key)
    })
  }
  return findings
}

/** Whether a request for this name would find a model. */
function hasModel({ models }: Rules, name: string): boolean {
  return Object.keys(models).some((known) =>
    known.endsWith('*') ? name.startsWith(known.slice(0, -1)) : known === name,
  )
}

function noModel(rules: Rules, path: Path, name: string): Finding[] {
  if (hasModel(rules, name)) return []
  return [{ path, ...unknownName('model', name, Object.keys(rules.models)) }]
}

function aliases(rules: Rules): Finding[] {
  return Object.entries(rules.aliases).flatMap(([alias, name]) => [
    ...noModel(rules, ['aliases', alias], name),
    ...(Object.hasOwn(rules.models, alias)
      ? [{ path: ['aliases', alias], message: 'there is a model of this name already; choose another' }]
      : []),
  ])
}

function identities({ listeners, identities }: Rules): Finding[] {
  const findings: Finding[] = []
  for (const [name, { jwksUri, jwksFile }] of Object.entries(identities.issuers))
    if ((jwksUri === undefined) === (jwksFile === undefined))
      findings.push({ path: ['identities', 'issuers', name], message: 'needs exactly one of jwksUri and jwksFile' })
  for (const [name, { identity, tls }] of Object.entries(listeners)) {
    const path: Path = ['listeners', name, 'identity', 'accept']
    const { accept, trustForwardedClientCert } = identity
    if (accept.includes('pod') && accept.includes('anonymous'))
      findings.push({ path, message: 'takes only one of pod and anonymous: both are for requests that show nothing' })
    if (accept.includes('mtls') && tls?.clientCaFile === undefined && !trustForwardedClientCert)
      findings.push({ path, message: 'mtls needs tls.clientCaFile, or trustForwardedClientCert behind a mesh' })
    if (accept.includes('jwt') && Object.keys(identities.issuers).length === 0)
      findings.push({ path, message: 'jwt needs at least one of identities.issuers' })
  }
  return findings
}

function budgets(rules: Rules): Finding[] {
  return Object.entries(rules.budgets).flatMap(([name, { atEnd }]) =>
    atEnd === 'deny' ? [] : noModel(rules, ['budgets', name, 'atEnd', 'downgrade'], atEnd.downgrade),
  )
}

function guards({ guards }: Rules): Finding[] {
  const findings: Finding[] = []
  for (const [name, { detect, webhook, moderation, action, restore, on }] of Object.entries(guards)) {
    const ways = [detect, webhook, moderation].filter((way) => way !== undefined)
    if (ways.length !== 1)
      findings.push({ path: ['guards', name], message: 'needs exactly one of detect, webhook and moderation' })
    if (moderation && action === 'mask')
      findings.push({
        path: ['guards', name, 'action'],
        message: 'must be deny or alert: moderation tells no places, so nothing can be masked',
      })
    if (restore && (action !== 'mask' || !on.includes('request')))
      findings.push({ path: ['guards', name, 'restore'], message: 'needs the action mask, and request in on' })
  }
  return findings
}
