import { describe, expect, test } from 'vitest'
import {
  backend,
  backendTls,
  caConfigMap,
  gateway,
  gatewayClass,
  grant,
  httpRoute,
  infra,
  object,
  own,
  prefix,
  service,
  tlsSecret,
} from '../../test/gateway-api/manifests.ts'
import type { RulesInput } from '../config/schema.ts'
import { checkExpressions } from '../policy/check.ts'
import type { KubeObject } from './object.ts'
import { shifted } from './options.ts'
import { translate } from './translate.ts'

/** What becomes of objects, by their statuses and by the rules they make. */

const options = {
  controller: 'chaperone.dev/gateway-controller',
  now: '2026-06-01T00:00:00Z',
  bind: '0.0.0.0',
  portOf: shifted,
  taken: new Map([[10_001, 'taken']]),
  addresses: [{ type: 'IPAddress', value: '192.0.2.1' }] as const,
  dns: false,
  local: false,
}

interface Condition {
  type: string
  status: string
  reason: string
  message: string
  lastTransitionTime: string
  observedGeneration?: number
}

function made(objects: readonly KubeObject[], base: RulesInput = {}) {
  const translation = translate([gatewayClass, ...objects], base, options, checkExpressions)
  const status = (kind: string, name: string) =>
    translation.statuses.find(({ object }) => object.kind === kind && object.metadata.name === name)?.status as {
      conditions?: Condition[]
      listeners?: {
        name: string
        attachedRoutes: number
        supportedKinds: { kind: string }[]
        conditions: Condition[]
      }[]
      parents?: { controllerName: string; parentRef: { sectionName?: string }; conditions: Condition[] }[]
      ancestors?: { conditions: Condition[] }[]
      [other: string]: unknown
    }
  /** `Accepted=False/Reason` of an object, a listener of it, or a route's first parent. */
  const says = (kind: string, name: string, type: string, listener?: string) => {
    const { conditions, listeners, parents, ancestors } = status(kind, name) ?? {}
    const all = listener
      ? listeners?.find((each) => each.name === listener)?.conditions
      : (conditions ?? parents?.[0]?.conditions ?? ancestors?.[0]?.conditions)
    const found = all?.find((each) => each.type === type)
    return found && `${found.status}/${found.reason}`
  }
  return { ...translation, status, says }
}

const web = (more: Record<string, unknown> = {}) => gateway('web', [{ name: 'http', port: 80, ...more }])
const route = (name: string, more: object = {}) =>
  httpRoute(name, { rules: [{ backendRefs: [backend('v1')] }], ...more })
const v1 = service('v1', [8080])

describe('Gateways', () => {
  test('ports below 1024 are shifted, and statuses are whole', () => {
    const { rules, status, says } = made([web(), route('a'), ...v1])
    expect(rules?.listeners['port-80']).toMatchObject({ port: 10_080, address: '0.0.0.0' })
    expect(['Accepted', 'Programmed', 'ResolvedRefs'].map((type) => says('Gateway', 'web', type))).toEqual([
      'True/Accepted',
      'True/Programmed',
      'True/ResolvedRefs',
    ])
    expect(status('Gateway', 'web')).toMatchObject({
      addresses: [{ value: '192.0.2.1' }],
      listeners: [{ attachedRoutes: 1, supportedKinds: [{ kind: 'HTTPRoute' }, { kind: 'GRPCRoute' }] }],
    })
    expect(status('GatewayClass', 'ours').conditions?.[0]).toMatchObject({
      type: 'Accepted',
      status: 'True',
      observedGeneration: 1,
    })
  })

  test('classes and Gateways of others are left alone', () => {
    const other = object('gateway.networking.k8s.io/v1', 'GatewayClass', 'other', {
      controllerName: 'example.test/other',
    })
    const theirs = { ...web(), spec: { ...(web().spec as object), gatewayClassName: 'other' } }
    const { statuses, rules } = made([other, theirs, route('a'), ...v1])
    expect(statuses.map(({ object }) => object.metadata.name)).toEqual(['ours'])
    expect(rules).toBeUndefined()
  })

  test('listeners of one Gateway that cannot be told apart are refused, both, and the rest is served', () => {
    const { says, rules, status } = made([
      gateway('web', [
        { name: 'one', port: 80 },
        { name: 'two', port: 80 },
        { name: 'tls', port: 81, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'cert' }] } },
        { name: 'plain', port: 81 },
        { name: 'good', port: 8080 },
      ]),
      tlsSecret('cert', 'listener-1'),
      route('a'),
      ...v1,
    ])
    expect(['one', 'two', 'tls', 'good'].map((name) => says('Gateway', 'web', 'Conflicted', name))).toEqual([
      'True/HostnameConflict',
      'True/HostnameConflict',
      'True/ProtocolConflict',
      'False/NoConflicts',
    ])
    expect(says('Gateway', 'web', 'Accepted')).toBe('True/ListenersNotValid')
    expect(status('Gateway', 'web').listeners?.map(({ attachedRoutes }) => attachedRoutes)).toEqual([0, 0, 0, 0, 1])
    expect(Object.keys(rules?.listeners ?? {})).toEqual(['port-8080'])
  })

  test('of two Gateways with the same port and host the older one is served', () => {
    const younger = gateway('younger', [{ name: 'http', port: 80 }], {}, { created: '2026-02-01T00:00:00Z' })
    const { says } = made([younger, web(), route('a'), ...v1])
    expect(says('Gateway', 'web', 'Programmed')).toBe('True/Programmed')
    expect(says('Gateway', 'younger', 'Accepted')).toBe('False/ListenersNotValid')
    expect(says('Gateway', 'younger', 'Conflicted', 'http')).toBe('True/HostnameConflict')
  })

  test.each([
    ['a protocol', { protocol: 'UDP' }, 'Accepted', 'False/UnsupportedProtocol'],
    ['a port that is taken', { port: 10_001 }, 'Accepted', 'False/PortUnavailable'],
    [
      'a kind of route',
      { allowedRoutes: { kinds: [{ kind: 'Nonsense' }] } },
      'ResolvedRefs',
      'False/InvalidRouteKinds',
    ],
  ])('%s that is not supported', (_, more, type, outcome) => {
    expect(made([web(more)]).says('Gateway', 'web', type, 'http')).toBe(outcome)
  })

  const secure = (reference: object) =>
    gateway('web', [{ name: 'https', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [reference] } }])
  const malformed = object('v1', 'Secret', 'cert', undefined, {
    stringData: { 'tls.crt': 'Hello', 'tls.key': 'Hello' },
  })

  test.each([
    ['not there', [], { name: 'cert' }, 'InvalidCertificateRef'],
    ['of another kind', [], { name: 'cert', kind: 'ConfigMap' }, 'InvalidCertificateRef'],
    ['of another group', [tlsSecret('cert', 'listener-1')], { name: 'cert', group: 'x.test' }, 'InvalidCertificateRef'],
    ['no certificate', [malformed], { name: 'cert' }, 'InvalidCertificateRef'],
    [
      'not of its key',
      [tlsSecret('cert', 'listener-1', { key: 'listener-2-key' })],
      { name: 'cert' },
      'InvalidCertificateRef',
    ],
    [
      'in another namespace',
      [tlsSecret('cert', 'listener-1', { namespace: 'other' })],
      { name: 'cert', namespace: 'other' },
      'RefNotPermitted',
    ],
  ])('a certificate that is %s', (_, objects, reference, reason) => {
    const { says, rules, status } = made([secure(reference), route('a'), ...v1, ...objects])
    expect(says('Gateway', 'web', 'ResolvedRefs', 'https')).toBe(`False/${reason}`)
    expect(says('Gateway', 'web', 'Programmed', 'https')).toBe('False/Invalid')
    expect(status('Gateway', 'web').listeners?.[0]?.attachedRoutes).toBe(1)
    expect(rules).toBeUndefined()
  })

  test('a certificate in another namespace that grants it', () => {
    const { says } = made([
      secure({ name: 'cert', namespace: 'other' }),
      tlsSecret('cert', 'listener-1', { namespace: 'other' }),
      grant('certs', 'other', [{ kind: 'Gateway', namespace: infra }], [{ kind: 'Secret' }]),
    ])
    expect(says('Gateway', 'web', 'Programmed', 'https')).toBe('True/Programmed')
  })

  test.each([
    [
      { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'nowhere' }] },
      'False/InvalidCACertificateRef',
      'False/NoValidCACertificate',
    ],
    [
      { caCertificateRefs: [{ group: '', kind: 'Service', name: 'v1' }] },
      'False/InvalidCACertificateKind',
      'False/NoValidCACertificate',
    ],
    [
      { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }], mode: 'AllowInsecureFallback' },
      'True/ResolvedRefs',
      'False/UnsupportedValue',
    ],
  ])('client certificates: %j', (validation, resolved, accepted) => {
    const { says } = made([
      gateway('web', [{ name: 'https', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'cert' }] } }], {
        tls: { frontend: { default: { validation } } },
      }),
      tlsSecret('cert', 'listener-1'),
      caConfigMap('ca', 'ca'),
    ])
    expect([says('Gateway', 'web', 'ResolvedRefs', 'https'), says('Gateway', 'web', 'Accepted', 'https')]).toEqual([
      resolved,
      accepted,
    ])
  })

  test('a Gateway that cannot be read', () => {
    const { says, statuses } = made([gateway('web', []), route('a')])
    expect(says('Gateway', 'web', 'Accepted')).toBe('False/Invalid')
    expect(statuses.some(({ object }) => object.kind === 'HTTPRoute')).toBe(false)
  })
})

describe('routes', () => {
  const selected = { namespaces: { from: 'Selector', selector: { matchLabels: { team: 'a' } } } }
  test.each([
    ['no such section', { parentRefs: [{ name: 'web', sectionName: 'nope' }] }, {}, 'False/NoMatchingParent'],
    ['no such port', { parentRefs: [{ name: 'web', port: 81 }] }, {}, 'False/NoMatchingParent'],
    ['a host of nobody', { hostnames: ['other.test'] }, { hostname: 'web.test' }, 'False/NoMatchingListenerHostname'],
    ['another kind', {}, { allowedRoutes: { kinds: [{ kind: 'GRPCRoute' }] } }, 'False/NotAllowedByListeners'],
    ['a namespace that is not selected', {}, { allowedRoutes: selected }, 'False/NotAllowedByListeners'],
    ['what fits', { hostnames: ['*.test'] }, { hostname: 'web.test' }, 'True/Accepted'],
  ])('%s', (_, spec, listener, outcome) => {
    expect(made([web(listener), route('a', spec), ...v1]).says('HTTPRoute', 'a', 'Accepted')).toBe(outcome)
  })

  test('a namespace that is selected by its labels', () => {
    const labelled = object('v1', 'Namespace', 'elsewhere', undefined, { labels: { team: 'a' } })
    const theirs = httpRoute('a', { parentRefs: [{ name: 'web', namespace: infra }] }, { namespace: 'elsewhere' })
    expect(made([web({ allowedRoutes: selected }), labelled, theirs]).says('HTTPRoute', 'a', 'Accepted')).toBe(
      'True/Accepted',
    )
  })

  test.each([
    ['nobody', [backend('nobody')], 'False/BackendNotFound'],
    ['no port', [{ name: 'v1', port: 81 }], 'False/BackendNotFound'],
    ['another kind', [{ ...backend('v1'), kind: 'Pod' }], 'False/InvalidKind'],
    ['another namespace', [{ ...backend('v1'), namespace: 'other' }], 'False/RefNotPermitted'],
    ['a model that is not there', [{ group: 'chaperone.dev', kind: 'Model', name: 'm' }], 'False/BackendNotFound'],
  ])('a backend: %s', (_, backendRefs, outcome) => {
    const { says } = made([web(), route('a', { rules: [{ backendRefs }] }), ...v1])
    expect([says('HTTPRoute', 'a', 'Accepted'), says('HTTPRoute', 'a', 'ResolvedRefs')]).toEqual([
      'True/Accepted',
      outcome,
    ])
  })

  test.each([
    [service('v1', [8080], { appProtocol: 'mongo' }), 'False/UnsupportedProtocol'],
    [
      [object('v1', 'Service', 'v1', { type: 'ExternalName', externalName: 'evil.test', ports: [{ port: 80 }] })],
      'False/BackendNotFound',
    ],
  ])('a Service that cannot be served: %#', (objects, outcome) => {
    expect(made([web(), route('a'), ...objects]).says('HTTPRoute', 'a', 'ResolvedRefs')).toBe(outcome)
  })

  test('a rule that cannot be carried out, and one that can', () => {
    const { says, status } = made([
      web(),
      route('some', {
        rules: [
          { filters: [{ type: 'Nonsense' }], backendRefs: [backend('v1')] },
          { matches: [prefix('/x')], backendRefs: [backend('v1')] },
        ],
      }),
      route('none', { rules: [{ filters: [{ type: 'Nonsense' }], backendRefs: [backend('v1')] }] }),
      ...v1,
    ])
    expect([says('HTTPRoute', 'some', 'Accepted'), says('HTTPRoute', 'some', 'PartiallyInvalid')]).toEqual([
      'True/Accepted',
      'True/UnsupportedValue',
    ])
    expect(says('HTTPRoute', 'none', 'Accepted')).toBe('False/UnsupportedValue')
    expect(status('Gateway', 'web').listeners?.[0]?.attachedRoutes).toBe(1)
  })

  test('parents of other controllers stay in the status, and times stay while nothing changes', () => {
    const others = { controllerName: 'example.test/other', parentRef: { name: 'x' }, conditions: [] }
    const first = made([web(), route('a'), ...v1]).status('HTTPRoute', 'a')
    const before = structuredClone(first.parents!) as unknown as { conditions: { lastTransitionTime: string }[] }[]
    for (const { conditions } of before) for (const each of conditions) each.lastTransitionTime = '2026-01-01T00:00:00Z'
    const known = { ...route('a'), status: { parents: [others, ...before] } }
    const { parents } = made([web(), known, ...v1]).status('HTTPRoute', 'a')
    expect(parents?.[0]).toEqual(others)
    expect(parents?.[1]?.conditions.map(({ lastTransitionTime }) => lastTransitionTime)).toEqual([
      '2026-01-01T00:00:00Z',
      '2026-01-01T00:00:00Z',
    ])
  })

  test('names that are long and names that look alike are not mixed up', () => {
    const long = 'x'.repeat(200)
    const { rules } = made([web(), route(`${long}-a`), route(`${long}-b`, { hostnames: ['b.test'] }), ...v1])
    const names = rules?.http.routes.map(({ name }) => name) ?? []
    expect(new Set(names).size).toBe(2)
    expect(Math.max(...names.map(({ length }) => length))).toBeLessThanOrEqual(63)
  })
})

test.each([
  [
    { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'nowhere' }] },
    'False/NoValidCACertificate',
    'False/InvalidCACertificateRef',
  ],
  [
    { caCertificateRefs: [{ group: '', kind: 'Nonsense', name: 'x' }] },
    'False/NoValidCACertificate',
    'False/InvalidKind',
  ],
  [{ wellKnownCACertificates: 'x.test/y' }, 'False/Invalid', 'True/ResolvedRefs'],
  [{ wellKnownCACertificates: 'System' }, 'True/Accepted', 'True/ResolvedRefs'],
])('BackendTLSPolicy: %j', (validation, accepted, resolved) => {
  const { says } = made([web(), route('a'), ...v1, backendTls('tls', 'v1', { ...validation, hostname: 'v1.test' })])
  expect([says('BackendTLSPolicy', 'tls', 'Accepted'), says('BackendTLSPolicy', 'tls', 'ResolvedRefs')]).toEqual([
    accepted,
    resolved,
  ])
})

test('of two BackendTLSPolicies for one target the older one holds; one for a port goes before one for all', () => {
  const system = { wellKnownCACertificates: 'System' }
  const { says, rules } = made([
    web(),
    route('a'),
    ...v1,
    backendTls('old', 'v1', { ...system, hostname: 'old.test' }),
    backendTls('young', 'v1', { ...system, hostname: 'young.test' }, { created: '2026-03-01T00:00:00Z' }),
    backendTls(
      'port',
      'v1',
      { ...system, hostname: 'port.test' },
      { sectionName: 'main', created: '2026-04-01T00:00:00Z' },
    ),
  ])
  expect(['old', 'young', 'port'].map((name) => says('BackendTLSPolicy', name, 'Accepted'))).toEqual([
    'True/Accepted',
    'False/Conflicted',
    'True/Accepted',
  ])
  expect(rules?.http.services.infra_v1_80?.tls?.serverName).toBe('port.test')
})

describe('our own kinds', () => {
  const provider = own('Provider', 'p', { type: 'openai', apiKey: '${secret:keys/openai}' })
  const model = own('Model', 'm', { targets: [{ provider: 'p' }] })
  const ai = (kind: string, name: string) =>
    route('ai', { rules: [{ matches: [prefix('/ai')], backendRefs: [{ group: 'chaperone.dev', kind, name }] }] })

  test('references are those of the namespace', () => {
    const { rules } = made([web(), provider, model, ai('Model', 'm')])
    expect(rules?.providers.infra_p).toMatchObject({ apiKey: '${secret:infra/keys/openai}' })
    expect(rules?.http.routes[0]).toMatchObject({ name: 'infra_ai_0', ai: { models: ['m'] } })
  })

  test.each([
    ['Provider', { type: 'openai', apiKey: '${env:HOME}' }, /its namespace/],
    ['Provider', { type: 'openai', apiKey: '${file:/etc/passwd}' }, /its namespace/],
    ['Provider', { type: 'openai', apiKey: '${secret:other/keys/openai}' }, /its namespace/],
    ['Provider', { type: 'vertex', project: 'x' }, /gateway’s own/],
    ['Provider', { type: 'bedrock', region: 'eu-central-1' }, /own credentials/],
    ['Provider', { type: 'openai', apiKey: '${client}', tls: { caFile: '/etc/passwd' } }, /must be a reference/],
    ['McpServer', { type: 'stdio', command: 'sh' }, /gateway’s own/],
    ['McpServer', { type: 'openapi', document: '/etc/passwd' }, /gateway’s own/],
    ['McpServer', { type: 'http', url: 'http://127.0.0.1:10001/metrics' }, /own machine/],
    ['McpServer', { type: 'http', url: 'http://169.254.169.254/latest' }, /own machine/],
    ['McpServer', { type: 'http', url: 'http://[::ffff:7f00:1]/' }, /own machine/],
    ['Agent', { url: 'http://localhost:1' }, /own machine/],
    ['Agent', { url: 'http://x.test', card: { file: '/etc/passwd' } }, /own files/],
    ['Agent', { url: 'http://x.test', nonsense: 1 }, /[Uu]nrecognized key/],
  ])('%s %j is refused', (kind, spec, message) => {
    const { status } = made([web(), own(kind, 'it', spec), route('a'), ...v1])
    const { conditions } = status(kind, 'it')
    expect(conditions?.[0]).toMatchObject({ type: 'Accepted', status: 'False', reason: 'Invalid' })
    expect(conditions?.[0]?.message).toMatch(message)
  })

  test('a model of a provider that is not there, and what leads to it', () => {
    const { says, rules } = made([web(), model, ai('Model', 'm')])
    expect([says('Model', 'm', 'ResolvedRefs'), says('HTTPRoute', 'ai', 'ResolvedRefs')]).toEqual([
      'False/BackendNotFound',
      'False/BackendNotFound',
    ])
    expect(rules?.http.routes[0]?.respond?.status).toBe(500)
  })

  test('of two models with one name the older one is served', () => {
    const twin = own(
      'Model',
      'm',
      { targets: [{ provider: 'p' }] },
      { namespace: 'other', created: '2026-03-01T00:00:00Z' },
    )
    const theirs = own('Provider', 'p', { type: 'openai', apiKey: '${client}' }, { namespace: 'other' })
    const { statuses } = made([web(), provider, model, theirs, twin])
    const said = statuses
      .filter(({ object }) => object.kind === 'Model')
      .map(({ object, status }) => [object.metadata.namespace, (status.conditions as Condition[])[0]!.reason])
    expect(said).toEqual([
      ['infra', 'Accepted'],
      ['other', 'Conflicted'],
    ])
  })

  test('without servers of its own the gateway has no /mcp for those of objects', () => {
    const server = own('McpServer', 's', { type: 'http', url: 'http://mcp.test/mcp' })
    const { rules } = made([web(), server, ai('McpServer', 's')], {
      mcp: { servers: { mine: { type: 'http', url: 'http://mine.test/mcp' } } },
    })
    expect(rules?.mcp.endpoints).toMatchObject({
      default: { servers: ['mine'] },
      infra_ai_rule_0: { servers: ['infra_s'] },
    })
  })
})

describe('policies', () => {
  const to = (kind: string, name: string, sectionName?: string) => [
    { group: 'gateway.networking.k8s.io', kind, name, ...(sectionName && { sectionName }) },
  ]
  const rules2 = [
    { name: 'first', matches: [prefix('/one')], backendRefs: [backend('v1')] },
    { matches: [prefix('/two')], backendRefs: [backend('v1')] },
  ]

  test('what is nearer wins, key by key', () => {
    const { rules } = made([
      web(),
      route('a', { rules: rules2 }),
      ...v1,
      own('TrafficPolicy', 'all', { targetRefs: to('Gateway', 'web'), timeout: '1s', maxRequestBytes: 10 }),
      own('TrafficPolicy', 'route', { targetRefs: to('HTTPRoute', 'a'), timeout: '2s' }),
      own('TrafficPolicy', 'rule', { targetRefs: to('HTTPRoute', 'a', 'first'), timeout: '3s' }),
    ])
    expect(rules?.http.routes.map(({ name, timeout, maxRequestBytes }) => [name, timeout, maxRequestBytes])).toEqual([
      ['infra_a_first', '3s', 10],
      ['infra_a_1', '2s', 10],
    ])
  })

  test('an AccessPolicy is for its routes, which are governed', () => {
    const { rules, says } = made([
      web(),
      route('a', { rules: rules2 }),
      route('b', { hostnames: ['b.test'] }),
      ...v1,
      own('AccessPolicy', 'no', { targetRefs: to('HTTPRoute', 'a'), effect: 'deny', when: 'identity.team == "x"' }),
    ])
    expect(rules?.policies.rules.infra_no?.when).toBe(
      '(request.route.startsWith("infra_a_")) && (identity.team == "x")',
    )
    expect(rules?.http.routes.map(({ name, governed }) => [name, governed])).toEqual([
      ['infra_b_0', false],
      ['infra_a_first', true],
      ['infra_a_1', true],
    ])
    expect(says('AccessPolicy', 'no', 'Accepted')).toBe('True/Accepted')
  })

  test('identities of a Gateway are asked on all its routes', () => {
    const { rules } = made([
      web(),
      route('a'),
      ...v1,
      own('GatewayPolicy', 'keys', { targetRefs: to('Gateway', 'web'), identity: { accept: ['key'] } }),
    ])
    expect(rules?.listeners['port-80']?.identity.accept).toEqual(['key'])
    expect(rules?.http.routes[0]?.governed).toBe(true)
  })

  test.each([
    ['TrafficPolicy', { timeout: 'nonsense' }, 'HTTPRoute'],
    ['TrafficPolicy', { clients: { certificates: ['x'] } }, 'HTTPRoute'],
    ['TrafficPolicy', { jwt: { issuers: ['nobody'] } }, 'HTTPRoute'],
    ['AccessPolicy', { effect: 'deny', when: 'nonsense(' }, 'HTTPRoute'],
    ['GuardPolicy', { action: 'mask' }, 'HTTPRoute'],
    ['GatewayPolicy', { identity: { accept: ['jwt'] } }, 'Gateway'],
  ])('%s %j closes what it guards, and no other', (kind, spec, target) => {
    const { rules, status } = made([
      web(),
      gateway('other', [{ name: 'http', port: 81 }]),
      route('a'),
      route('free', { parentRefs: [{ name: 'other' }] }),
      ...v1,
      own(kind, 'it', { targetRefs: to(target, target === 'Gateway' ? 'web' : 'a'), ...spec }),
    ])
    expect(rules?.http.routes.find(({ name }) => name === 'infra_a_0')?.respond?.status).toBe(500)
    expect(rules?.http.routes.find(({ name }) => name === 'infra_free_0')?.services).toHaveLength(1)
    expect(JSON.stringify([status(kind, 'it'), status('HTTPRoute', 'a')])).toMatch(/"False"/)
  })

  test('a BackendPolicy that says too little is left out, and says so', () => {
    const target = [{ group: '', kind: 'Service', name: 'v1' }]
    const { rules, says } = made([
      web(),
      route('a'),
      ...v1,
      own('BackendPolicy', 'ring', { targetRefs: target, balance: 'ring-hash' }),
    ])
    expect(says('BackendPolicy', 'ring', 'Accepted')).toBe('False/Invalid')
    expect(rules?.http.services.infra_v1_80?.balance).toBe('least-request')
    expect(rules?.http.routes[0]?.services).toHaveLength(1)
  })

  test.each([
    [to('HTTPRoute', 'nowhere'), 'False/TargetNotFound'],
    [[{ group: '', kind: 'Service', name: 'v1' }], 'False/Invalid'],
  ])('a target: %j', (targetRefs, outcome) => {
    expect(
      made([web(), route('a'), ...v1, own('TrafficPolicy', 'it', { targetRefs, timeout: '1s' })]).says(
        'TrafficPolicy',
        'it',
        'Accepted',
      ),
    ).toBe(outcome)
  })

  test('of two for one target the older one holds', () => {
    const { says } = made([
      web(),
      route('a'),
      ...v1,
      own('TrafficPolicy', 'old', { targetRefs: to('HTTPRoute', 'a'), timeout: '1s' }),
      own(
        'TrafficPolicy',
        'young',
        { targetRefs: to('HTTPRoute', 'a'), timeout: '2s' },
        { created: '2026-03-01T00:00:00Z' },
      ),
    ])
    expect(['old', 'young'].map((name) => says('TrafficPolicy', name, 'Accepted'))).toEqual([
      'True/Accepted',
      'False/Conflicted',
    ])
  })
})

test('what no object is to blame for is said, and the objects are served', () => {
  const { findings, rules } = made([web(), route('a'), ...v1], { aliases: { fast: 'nowhere' } })
  expect(findings).toEqual([expect.stringContaining('aliases.fast')])
  expect(rules?.http.routes).toHaveLength(1)
})

test('many routes are translated in little time', () => {
  const many = Array.from({ length: 1500 }, (_, index) => route(`r${index}`, { hostnames: [`h${index}.test`] }))
  const began = performance.now()
  const { rules } = made([web(), ...many, ...v1])
  expect(rules?.http.routes).toHaveLength(1500)
  expect(performance.now() - began).toBeLessThan(15_000)
})
