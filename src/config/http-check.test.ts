import { expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { loadRules } from './load.ts'
import type { RulesInput } from './schema.ts'

type HttpInput = NonNullable<RulesInput['http']>

/** What is said about rules with this HTTP part, as `path: message`. */
function findingsOf(http: HttpInput | string, rest: Partial<RulesInput> = {}): string[] {
  const part = typeof http === 'string' ? (parse(http) as HttpInput) : http
  const services = { a: { url: 'http://a' }, b: { url: 'http://b', protocol: 'grpc' as const }, ...part.services }
  const loaded = loadRules(stringify({ ...rest, http: { ...part, services } }), 'rules.yaml')
  if ('diagnostics' in loaded)
    return loaded.diagnostics.map(({ path, message, suggestion }) =>
      suggestion === undefined ? `${path}: ${message}` : `${path}: ${message} → ${suggestion}`,
    )
  return loaded.warnings.filter(({ path }) => !/^http\.services\.[ab]$/.test(path)).map(({ path }) => `warning ${path}`)
}

const ai: Partial<RulesInput> = {
  providers: { p: { type: 'openai', apiKey: '${env:K}' } },
  models: { m: { targets: [{ provider: 'p' }] } },
}

test.each([
  [
    'what does not exist',
    'routes: [{ name: r, service: shop }]',
    'routes[0].service: there is no service "shop"; the services are a, b',
  ],
  [
    'a listener',
    'routes: [{ name: r, service: a, listeners: [defalt] }]',
    'routes[0].listeners[0]: there is no listener "defalt" → default',
  ],
  [
    'an issuer',
    'routes: [{ name: r, service: a, jwt: { issuers: [x] } }]',
    'routes[0].jwt.issuers[0]: there is no issuer "x"; there is no issuer at all',
  ],
  [
    'an authorizer',
    'routes: [{ name: r, service: a, authorizers: [x] }]',
    'routes[0].authorizers[0]: there is no authorizer',
  ],
  [
    'a mirror',
    'routes: [{ name: r, service: a, mirror: [{ service: x }] }]',
    'routes[0].mirror[0].service: there is no service "x"',
  ],
  [
    'a cost that nobody counts',
    'routes: [{ name: r, service: a, costUsd: 1 }]',
    'routes[0].costUsd: goes with governed: true only',
  ],
  ['no goal', 'routes: [{ name: r }]', 'routes[0]: needs exactly one of service, services, redirect, respond and ai'],
  ['two goals', 'routes: [{ name: r, service: a, respond: {} }]', 'routes[0]: needs exactly one of'],
  [
    'weights of nothing',
    'routes: [{ name: r, services: [{ service: a, weight: 0 }] }]',
    'routes[0].services: needs a service with a weight above 0',
  ],
  [
    'a service twice',
    'routes: [{ name: r, services: [{ service: a }, { service: a }] }]',
    'routes[0].services: has a service twice',
  ],
  [
    'what needs a service',
    'routes: [{ name: r, respond: {}, retry: {} }]',
    'routes[0].retry: goes with a service only',
  ],
  [
    'two ways to match',
    'routes: [{ name: r, service: a, match: { path: /a, prefix: /b } }]',
    'routes[0].match: takes only one of path, prefix',
  ],
  [
    'look-around',
    'routes: [{ name: r, service: a, match: { regex: "/(?!a).*" } }]',
    'routes[0].match.regex: must be of RE2',
  ],
  [
    'a broken expression',
    'routes: [{ name: r, service: a, match: { regex: "/(" } }]',
    'routes[0].match.regex: is no regular expression',
  ],
  [
    'a path with a query',
    'routes: [{ name: r, service: a, match: { path: "/a?b" } }]',
    'routes[0].match.path: must begin with a slash',
  ],
  [
    'a host with a port',
    'routes: [{ name: r, service: a, hosts: ["a.test:80"] }]',
    'routes[0].hosts[0]: must be a host',
  ],
  [
    'a template without one',
    'routes: [{ name: r, service: a, rewrite: { template: /x } }]',
    'routes[0].rewrite.template: needs match.template',
  ],
  [
    'a prefix of an expression',
    'routes: [{ name: r, service: a, match: { regex: /x }, rewrite: { prefix: /y } }]',
    'routes[0].rewrite.prefix: needs a match by prefix',
  ],
  [
    'JSON for what is no gRPC',
    'routes: [{ name: r, service: a, transcode: { descriptorFile: x, services: [s] } }]',
    'routes[0].transcode: makes gRPC of requests',
  ],
  [
    'headers of our own',
    'routes: [{ name: r, service: a, requestHeaders: { set: { X-Chaperone-Route: x } } }]',
    'routes[0]: X-Chaperone-Route is the gateway’s own',
  ],
  [
    'a period that is too short',
    'routes: [{ name: r, service: a, rateLimit: { requests: 1, per: 10ms } }]',
    'routes[0].rateLimit.per: must be 50ms or longer',
  ],
  [
    'certificates that nobody asks for',
    'routes: [{ name: r, service: a, clients: { certificates: [x] } }]',
    'routes[0].clients.certificates: listeners.default asks for no client certificates',
  ],
  [
    'credentials for everyone',
    'routes: [{ name: r, service: a, cors: { origins: ["*"], credentials: true } }]',
    'routes[0].cors.credentials: must not be true',
  ],
  [
    'a key in the rules',
    'routes: [{ name: r, service: a, apiKey: { keys: { x: secret } } }]',
    'routes[0].apiKey.keys.x: must be a reference',
  ],
  [
    'a line break in a header',
    'routes: [{ name: r, service: a, requestHeaders: { set: { x: "a\\nb" } } }]',
    'routes[0].requestHeaders.set.x: must not hold control characters',
  ],
  [
    'two addresses',
    'services: { c: { url: "http://c", endpoints: [{ address: c, port: 1 }] } }\nroutes: [{ name: r, service: c }]',
    'services.c: needs exactly one of url and endpoints',
  ],
  [
    'a path of a service',
    'services: { c: { url: "http://c/v1" } }\nroutes: [{ name: r, service: c }]',
    'services.c.url: must be a host and a port only',
  ],
  [
    'HTTP/3 without TLS',
    'services: { c: { url: "http://c", protocol: h3 } }\nroutes: [{ name: r, service: c }]',
    'services.c.protocol: h3 needs TLS',
  ],
  [
    'half a certificate',
    'services: { c: { url: "https://c", tls: { keyFile: x } } }\nroutes: [{ name: r, service: c }]',
    'services.c.tls: needs certificateFile and keyFile together',
  ],
  [
    'a ring without a key',
    'services: { c: { url: "http://c", balance: ring-hash } }\nroutes: [{ name: r, service: c }]',
    'services.c.hashOn: is needed',
  ],
  [
    'a key without a ring',
    'services: { c: { url: "http://c", hashOn: [{ address: true }] } }\nroutes: [{ name: r, service: c }]',
    'services.c.hashOn: goes with the balance ring-hash or maglev only',
  ],
  [
    'an authorizer that speaks no gRPC',
    'authorizers: { x: { service: a } }\nroutes: [{ name: r, service: a, authorizers: [x] }]',
    'authorizers.x.service: is asked by gRPC',
  ],
])('%s', (_, http, finding) => {
  expect(findingsOf(http)).toEqual([expect.stringContaining(`http.${finding}`)])
})

test('a name that stands twice', () => {
  expect(
    findingsOf('routes: [{ name: r, service: a, match: { path: /1 } }, { name: r, service: a, match: { path: /2 } }]'),
  ).toEqual(['http.routes[1].name: http.routes[0] has this name as well'])
})

type RouteInput = NonNullable<HttpInput['routes']>[number]

/** The names of routes that another one leaves nothing for. */
function hidden(...routes: Partial<RouteInput>[]): string[] {
  const named = routes.map((route, index) => ({ name: `r${index}`, service: 'a', ...route }))
  return findingsOf({ routes: named }).map((finding) => {
    expect(finding).toMatch(/never reached: the route r\d before it takes all its requests/)
    return named[Number(/routes\[(\d+)\]/.exec(finding)![1])]!.name
  })
}

test.each<[Partial<RouteInput>, Partial<RouteInput>, boolean]>([
  [{}, { match: { path: '/a' } }, true],
  [{ match: { prefix: '/' } }, {}, true],
  [{ match: { prefix: '/a' } }, { match: { path: '/a' } }, true],
  [{ match: { prefix: '/a' } }, { match: { prefix: '/a/b' } }, true],
  [{ match: { prefix: '/a' } }, { match: { path: '/ab' } }, false],
  [{ match: { prefix: '/a/' } }, { match: { prefix: '/a' } }, false],
  [{ match: { path: '/a' } }, { match: { path: '/a' } }, true],
  [{ match: { regex: '/a+' } }, { match: { path: '/aaa' } }, true],
  [{ match: { regex: '/a+' } }, { match: { regex: '/a+' } }, true],
  [{ match: { regex: '/a+' } }, { match: { prefix: '/a' } }, false],
  [{ match: { regex: '(?i)/a' } }, { match: { path: '/A' } }, true],
  [{ match: { template: '/a/{x}' } }, { match: { path: '/a/b' } }, true],
  [{ match: { template: '/a/{x}' } }, { match: { path: '/a/b/c' } }, false],
  [{ match: { template: '/a/{x=**}' } }, { match: { path: '/a/b/c' } }, true],
  [{ match: { methods: ['GET'] } }, { match: { path: '/a' } }, false],
  [{ match: { methods: ['GET', 'PUT'] } }, { match: { path: '/a', methods: ['GET'] } }, true],
  [{ match: { headers: { x: '1' } } }, { match: { path: '/a' } }, false],
  [{ match: { headers: { x: '1' } } }, { match: { headers: { x: { exact: '1' }, y: '2' } } }, true],
  [{ match: { headers: { x: '1' } } }, { match: { headers: { x: '2' } } }, false],
  [{ match: { query: { x: { present: true } } } }, { match: { query: { x: '2' } } }, false],
  [{ match: { grpc: { service: 's' } } }, { match: { grpc: { service: 's', method: 'M' } } }, true],
  [{ match: { grpc: {} } }, { match: { path: '/s/M' } }, false],
  [{ hosts: ['a.test'] }, {}, false],
  [{ hosts: ['a.test'] }, { hosts: ['a.test'] }, true],
  [{ hosts: ['*.test'] }, { hosts: ['a.test', 'x.b.test'] }, true],
  [{ hosts: ['*.test'] }, { hosts: ['test'] }, false],
  [{ hosts: ['*.a.test'] }, { hosts: ['*.test'] }, false],
  [{ hosts: ['*'] }, { hosts: ['a.test'] }, true],
])('%j before %j: hidden is %j', (first, second, is) => {
  expect(hidden(first, second)).toEqual(is ? ['r1'] : [])
})

test('a route on other listeners hides nothing', () => {
  const listeners = { one: { port: 1001 }, two: { port: 1002 } }
  const route = (name: string, on: string[] | undefined) => ({ name, service: 'a', ...(on && { listeners: on }) })
  expect(findingsOf({ routes: [route('r', ['one']), route('s', ['two'])] }, { listeners })).toEqual([])
  expect(findingsOf({ routes: [route('r', ['one']), route('s', undefined)] }, { listeners })).toEqual([])
  expect(findingsOf({ routes: [route('r', undefined), route('s', ['two'])] }, { listeners })).toHaveLength(1)
})

test.each<[RouteInput['match'], boolean]>([
  [{ path: '/v1/chat/completions' }, true],
  [{ path: '/v1/models' }, true],
  [{ prefix: '/v1/models/x' }, true],
  [{ prefix: '/v1/messages' }, true],
  [{ path: '/v1/chat/completions/x' }, false],
  [{ path: '/v1/orders' }, false],
  [{ prefix: '/v1' }, false],
  [{ prefix: '/' }, false],
  [{ regex: '/v1/.*' }, false],
  [{ path: '/mcp' }, false],
])('%j within AI paths: %j', (match, is) => {
  const routes = (more: Partial<RouteInput>) =>
    findingsOf({ routes: [{ name: 'r', service: 'a', match, ...more }] }, ai)
  expect(routes({})).toEqual(is ? [expect.stringContaining('is for AI traffic; give the route hosts')] : [])
  expect(routes({ hosts: ['a.test'] })).toEqual([])
})

test('AI paths are only those of what there is, and only where it is served', () => {
  const route = { name: 'r', service: 'a', match: { path: '/v1/models' } }
  expect(findingsOf({ routes: [route] })).toEqual([])
  expect(findingsOf({ routes: [route] }, { ...ai, listeners: { web: { serves: ['http'] } } })).toEqual([])
  const servers = { mcp: { servers: { s: { type: 'http' as const, url: 'https://s.test' } } } }
  expect(findingsOf({ routes: [{ ...route, match: { prefix: '/mcp/x' } }] }, servers)).toHaveLength(1)
  // Agents are asked by gRPC at the paths of their service, unless none is.
  const agents = (offer: object) => ({ a2a: { agents: { planner: { url: 'https://p.test', offer } } } })
  for (const service of ['lf.a2a.v1.A2AService', 'a2a.v1.A2AService']) {
    const routes = [{ name: 'r', service: 'b', match: { grpc: { service } } }]
    expect(findingsOf({ routes }, agents({}))).toHaveLength(1)
    expect(findingsOf({ routes }, agents({ bindings: ['jsonrpc'] }))).toEqual([])
  }
})

test('a route on a listener that does not serve http, and a service that nobody uses', () => {
  expect(
    findingsOf({ routes: [{ name: 'r', service: 'a', listeners: ['l'] }] }, { listeners: { l: { serves: ['ai'] } } }),
  ).toEqual(['http.routes[0].listeners[0]: listeners.l does not serve http'])
  expect(findingsOf({ services: { idle: { url: 'http://c' } }, routes: [{ name: 'r', service: 'a' }] })).toEqual([
    'warning http.services.idle',
  ])
})

const listeners: RulesInput['listeners'] = {
  default: {},
  plain: { port: 1, serves: ['http'] },
  through: { port: 2, serves: ['passthrough'] },
}

test.each<[string, string, string]>([
  [
    'a service that does not exist',
    'passthrough: [{ name: p, hosts: [a.test], service: x }]',
    'http.passthrough[0].service: there is no service "x"',
  ],
  [
    'a service of shares that does not exist',
    'passthrough: [{ name: p, hosts: [a.test], services: [{ service: a }, { service: x }] }]',
    'http.passthrough[0].services[1].service: there is no service "x"',
  ],
  ['no service', 'passthrough: [{ name: p, hosts: [a.test] }]', 'http.passthrough[0]: needs exactly one of service'],
  [
    'a service with TLS of the gateway’s own',
    '{ services: { s: { url: "https://s" } }, passthrough: [{ name: p, hosts: [a.test], service: s }] }',
    'http.passthrough[0].service: services.s must be without TLS of the gateway’s own',
  ],
  [
    'a listener that does not exist',
    'passthrough: [{ name: p, listeners: [x], hosts: [a.test], service: a }]',
    'http.passthrough[0].listeners[0]: there is no listener "x"',
  ],
  [
    'a listener that does not serve it',
    'passthrough: [{ name: p, listeners: [plain], hosts: [a.test], service: a }]',
    'http.passthrough[0].listeners[0]: listeners.plain does not serve passthrough',
  ],
  [
    'a host twice on a listener',
    'passthrough: [{ name: p, hosts: [a.test], service: a }, { name: q, listeners: [through], hosts: [b.test, a.test], service: a }]',
    'http.passthrough[1].hosts[1]: is taken by p already on the listener through',
  ],
  [
    'every host',
    'passthrough: [{ name: p, hosts: ["*"], service: a }]',
    'http.passthrough[0].hosts[0]: must name hosts',
  ],
  [
    'a name twice',
    'passthrough: [{ name: p, hosts: [a.test], service: a }, { name: p, hosts: [b.test], service: a }]',
    'http.passthrough[1].name: http.passthrough[0] has this name as well',
  ],
  [
    'none for a listener that serves nothing else',
    'passthrough: [{ name: p, listeners: [default], hosts: [a.test], service: a }]',
    'listeners.through.serves: is passthrough only, and http.passthrough has none for it',
  ],
])('passthrough is refused: %s', (_, part, expected) => {
  expect(findingsOf(part, { listeners }).join('\n')).toContain(expected)
})

test.each<[string, NonNullable<RulesInput['listeners']>[string], string]>([
  ['no TLS', {}, 'needs tls: HTTP/3 is always encrypted'],
  [
    'client certificates',
    { tls: { certificateFile: 'c', keyFile: 'k', clientCaFile: 'a' } },
    'does not go with tls.clientCaFile',
  ],
  [
    'nothing to serve',
    { tls: { certificateFile: 'c', keyFile: 'k' }, serves: ['passthrough'] },
    'needs ai or http in serves',
  ],
])('HTTP/3 is refused: %s', (_, listener, expected) => {
  const findings = findingsOf('routes: [{ name: r, service: a }]', {
    listeners: { l: { ...listener, http3: true }, m: { port: 3 } },
  })
  expect(findings.join('\n')).toContain(`listeners.l.http3: ${expected}`)
})
