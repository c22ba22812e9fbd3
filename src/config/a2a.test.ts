import { describe, expect, test } from 'vitest'
import { type A2aCredentialRule, a2a } from './a2a.ts'
import { mcp } from './mcp.ts'

/** The paths of what is wrong. */
function wrong(rules: unknown): string[] {
  return a2a.safeParse(rules).error?.issues.map(({ path }) => path.join('.')) ?? []
}

test('little has to be said', () => {
  const rules = a2a.parse({ agents: { planner: { url: 'https://planner.example.com' } } })
  expect(rules.agents.planner).toMatchObject({
    interfaces: 'auto',
    skills: { allow: ['*'] },
    offer: { versions: ['1.0', '0.3'] },
  })
  expect(rules.delegation).toMatchObject({ maxDepth: 4, default: 'allow' })
  expect(rules.push).toMatchObject({ mode: 'relay', schemes: ['https'], ports: [443], networks: [] })
})

test('much may be', () => {
  const rules = {
    signer: { keyFile: '/run/key.pem', id: 'k1' },
    agents: {
      billing: {
        url: 'https://billing.example.com',
        card: { keys: { urls: ['https://billing.example.com/jwks.json'] } },
        interfaces: [{ url: 'https://billing.example.com/rpc', binding: 'jsonrpc', version: '0.3' }],
        credential: { type: 'token-exchange', tokenUrl: 'https://idp.example/token', clientId: 'gw' },
        skills: { deny: ['refund*'] },
        callers: ['mtls:spiffe://corp/ns/agents/sa/billing', 'jwt:idp/billing'],
      },
    },
    delegation: {
      maxDepth: 2,
      rules: {
        no_refunds: { effect: 'deny', when: 'agent.skill == "refund"' },
        plan: { effect: 'allow', when: 'true', grants: { models: ['gpt-*'], agents: [] } },
      },
    },
    push: { mode: 'allow', hosts: ['*.hooks.example.com'], networks: ['10.1.0.0/16', 'fd00:1::/32'] },
  }
  expect(wrong(rules)).toEqual([])
})

describe('what is not taken', () => {
  const agent = (more: object) => ({ agents: { a: { url: 'https://a.example', ...more } } })
  test.each<[string, object, string]>([
    ['a URL that is none', { agents: { a: { url: 'a.example' } } }, 'agents.a.url'],
    [
      'the caller’s own token',
      agent({ credential: { type: 'passthrough', audience: 'x' } }),
      'agents.a.credential.type',
    ],
    ['a secret in the rules', agent({ credential: { type: 'bearer', token: 'hunter2' } }), 'agents.a.credential.token'],
    ['a caller of no kind', agent({ callers: ['spiffe://x'] }), 'agents.a.callers.0'],
    ['a host with a path', agent({ hosts: ['a.example/b'] }), 'agents.a.hosts.0'],
    ['no depth', { delegation: { maxDepth: 0 } }, 'delegation.maxDepth'],
    [
      'keys from two places',
      { delegation: { trusted: { b: { issuer: 'b', jwksUri: 'https://b.example', jwksFile: 'b' } } } },
      'delegation.trusted.b',
    ],
    [
      'grants of a deny',
      { delegation: { rules: { d: { effect: 'deny', when: 'true', grants: {} } } } },
      'delegation.rules.d.grants',
    ],
    ['a network that is none', { push: { networks: ['10.0.0.0'] } }, 'push.networks.0'],
    ['a host in capitals', { push: { hosts: ['A.example'] } }, 'push.hosts.0'],
  ])('%s', (_, rules, path) => {
    expect(wrong(rules)).toEqual([path])
  })
})

test.each<A2aCredentialRule>([
  { type: 'headers', headers: { 'x-key': '${env:KEY}' } },
  { type: 'bearer', token: '${env:KEY}' },
  {
    type: 'client-credentials',
    tokenUrl: 'https://idp.example',
    clientId: 'gw',
    clientSecret: '${env:KEY}',
    scopes: [],
  },
  { type: 'token-exchange', tokenUrl: 'https://idp.example', clientId: 'gw', scopes: ['a'], audience: 'b' },
])('a credential by $type is one of MCP servers as well, and made by the same code', (credential) => {
  const url = 'https://x.example'
  expect(a2a.parse({ agents: { a: { url, credential } } }).agents.a?.credential).toEqual(credential)
  expect(mcp.parse({ servers: { a: { type: 'http', url, credential } } }).servers.a).toMatchObject({ credential })
})
