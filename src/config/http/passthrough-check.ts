import type { Finding } from '../check.ts'
import type { Path } from '../path.ts'
import type { Rules } from '../schema.ts'
import { unknownName } from '../suggest.ts'
import { isOn } from './order.ts'
import type { PassthroughRule } from './passthrough.ts'
import { targetsOf } from './targets.ts'

/** Checks of `http.passthrough`, and of the listeners that it and HTTP/3 need. */
export function checkPassthrough(rules: Rules): Finding[] {
  const { passthrough } = rules.http
  return [
    ...passthrough.flatMap((rule, index) => contents(rules, rule, ['http', 'passthrough', index])),
    ...names(passthrough),
    ...Object.keys(rules.listeners).flatMap((name) => [...hosts(rules, name), ...listener(rules, name)]),
  ]
}

function contents({ http, listeners }: Rules, rule: PassthroughRule, at: Path): Finding[] {
  const findings: Finding[] = []
  const add = (message: string, ...more: (string | number)[]) => findings.push({ path: [...at, ...more], message })
  if ((rule.service === undefined) === (rule.services === undefined)) add('needs exactly one of service and services')
  const targets = targetsOf(rule)
  if (targets.length > 0 && targets.every(({ weight }) => weight === 0))
    add('needs a service with a weight above 0', 'services')
  targets.forEach(({ service }, index) => {
    const path: Path = [...at, ...(rule.services ? ['services', index, 'service'] : ['service'])]
    const found = http.services[service]
    if (!found) findings.push({ path, ...unknownName('service', service, Object.keys(http.services)) })
    else if (found.tls !== undefined || found.url?.startsWith('https:') || found.protocol === 'h3')
      findings.push({
        path,
        message: `services.${service} must be without TLS of the gateway’s own (an http:// URL): what goes through is TLS already`,
      })
  })
  rule.listeners?.forEach((name, index) => {
    const found = listeners[name]
    if (!found)
      findings.push({
        path: [...at, 'listeners', index],
        ...unknownName('listener', name, Object.keys(listeners)),
      })
    else if (!found.serves.includes('passthrough'))
      add(`listeners.${name} does not serve passthrough`, 'listeners', index)
  })
  return findings
}

function names(passthrough: readonly PassthroughRule[]): Finding[] {
  return passthrough.flatMap(({ name }, index) => {
    const first = passthrough.findIndex((other) => other.name === name)
    return first === index
      ? []
      : [
          {
            path: ['http', 'passthrough', index, 'name'],
            message: `http.passthrough[${first}] has this name as well`,
          },
        ]
  })
}

/** On one listener a server name leads to one place. */
function hosts({ http, listeners }: Rules, listener: string): Finding[] {
  if (!listeners[listener]!.serves.includes('passthrough')) return []
  const findings: Finding[] = []
  const taken = new Map<string, string>()
  http.passthrough.forEach((rule, index) => {
    if (!isOn(rule, listener)) return
    rule.hosts.forEach((host, which) => {
      const before = taken.get(host)
      if (before !== undefined)
        findings.push({
          path: ['http', 'passthrough', index, 'hosts', which],
          message: `is taken by ${before} already on the listener ${listener}`,
        })
      else taken.set(host, rule.name)
    })
  })
  return findings
}

function listener({ http, listeners }: Rules, name: string): Finding[] {
  const { serves, tls, http3 } = listeners[name]!
  const findings: Finding[] = []
  const onlyPassthrough = serves.every((kind) => kind === 'passthrough')
  if (onlyPassthrough && !http.passthrough.some((rule) => isOn(rule, name)))
    findings.push({
      path: ['listeners', name, 'serves'],
      message: 'is passthrough only, and http.passthrough has none for it',
    })
  if (!http3) return findings
  const at: Path = ['listeners', name, 'http3']
  if (!tls) findings.push({ path: at, message: 'needs tls: HTTP/3 is always encrypted' })
  if (tls?.clientCaFile !== undefined)
    findings.push({
      path: at,
      message: 'does not go with tls.clientCaFile: Envoy asks for no client certificates over HTTP/3',
    })
  if (onlyPassthrough) findings.push({ path: at, message: 'needs ai or http in serves' })
  return findings
}
