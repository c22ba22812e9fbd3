import { describe, expect, test } from 'vitest'
import { rulesSchema } from '../config/schema.ts'
import { hostPattern, networks, placeOf } from './host-pattern.ts'
import { KnownHosts } from './known-hosts.ts'

const rules = rulesSchema.parse({
  providers: {
    vllm: { type: 'openai-compatible', baseUrl: 'http://10.0.0.5:8000/serve/v1' },
    proxy: { type: 'anthropic', baseUrl: 'https://claude.corp.test/v1', apiKey: '${env:K}' },
  },
  mcp: {
    servers: {
      docs: { type: 'http', url: 'https://docs.test/mcp' },
      wiki: { type: 'http', url: 'https://docs.test/wiki/mcp/' },
    },
  },
  a2a: {
    agents: {
      planner: { url: 'https://planner.test', hosts: ['api.planner.test'] },
      booker: { url: 'https://agents.test/booker' },
    },
  },
})
const known = new KnownHosts(rules)
const at = (host: string, port = 443) => known.at({ host, port })

describe('what a path of a known host is', () => {
  test.each([
    ['api.openai.com', '/v1/chat/completions', '/v1/chat/completions'],
    ['eu.api.openai.com', '/v1/responses', '/v1/responses'],
    ['api.openai.com', '/v1/models/gpt-5', '/v1/models/gpt-5'],
    ['api.anthropic.com', '/v1/messages/count_tokens', '/v1/messages/count_tokens'],
    ['generativelanguage.googleapis.com', '/v1/models', '/v1beta/models'],
    ['generativelanguage.googleapis.com', '/v1alpha/models/g:countTokens', '/v1beta/models/g:countTokens'],
    ['generativelanguage.googleapis.com', '/v1beta/openai/embeddings', '/v1/embeddings'],
    [
      'us-central1-aiplatform.googleapis.com',
      '/v1/projects/p/locations/us-central1/endpoints/openapi/chat/completions',
      '/v1/chat/completions',
    ],
    ['api.groq.com', '/openai/v1/chat/completions', '/v1/chat/completions'],
    ['api.deepseek.com', '/chat/completions', '/v1/chat/completions'],
    ['api.deepseek.com', '/v1/chat/completions', '/v1/chat/completions'],
    ['open.bigmodel.cn', '/api/paas/v4/chat/completions', '/v1/chat/completions'],
    ['r.openai.azure.com', '/openai/deployments/d/embeddings', '/openai/deployments/d/embeddings'],
    ['r.services.ai.azure.com', '/anthropic/v1/messages', '/v1/messages'],
    ['claude.corp.test', '/v1/messages', '/v1/messages'],
    ['planner.test', '/.well-known/agent-card.json', '/a2a/planner/.well-known/agent-card.json'],
    ['planner.test', '/message:send', '/a2a/planner/message:send'],
    ['planner.test', '/a2a/planner', '/a2a/planner'],
    ['api.planner.test', '/message:send', '/a2a/planner/message:send'],
    ['agents.test', '/booker', '/a2a/booker'],
    ['agents.test', '/booker/v1/message:send', '/a2a/booker/v1/message:send'],
    ['agents.test', '/booker/.well-known/agent-card.json', '/a2a/booker/.well-known/agent-card.json'],
  ])('%s%s is %s', (host, path, own) => {
    expect(at(host)?.recognise(path)).toMatchObject({ type: 'call', path: own })
  })

  test.each([
    ['docs.test', '/mcp', 'docs'],
    ['docs.test', '/wiki/mcp', 'wiki'],
    ['docs.test', '/wiki/mcp/', 'wiki'],
  ])('%s%s is the server %s', (host, path, server) => {
    expect(at(host)?.recognise(path)).toMatchObject({ type: 'call', protocol: 'mcp', server })
  })

  test('a base path of the rules', () => {
    const place = at('10.0.0.5', 8000)
    expect(place?.recognise('/serve/v1/chat/completions')).toMatchObject({ path: '/v1/chat/completions' })
    expect(place?.recognise('/v1/chat/completions')).toEqual({ type: 'other' })
    expect(known.plain).toEqual(['10.0.0.5:8000'])
    expect(known.addresses).toEqual(['10.0.0.5'])
  })

  test.each([
    ['api.openai.com', '/v1/files', 'other'],
    ['api.openai.com', '/v1/chat/completions/c-1', 'other'],
    ['api.openai.com', '/v1/../v1/chat/completions', 'odd'],
    ['api.openai.com', '/v1/chat%2Fcompletions', 'odd'],
    ['api.openai.com', '//v1/chat/completions', 'odd'],
    ['api.openai.com', '/v1/chat/completions/', 'odd'],
    ['api.openai.com', '/v1\\chat\\completions', 'odd'],
    ['bedrock-runtime.eu-central-1.amazonaws.com', '/model/m/converse', 'other'],
    ['agents.test', '/other', 'other'],
    ['api.openai.com', '', 'other'],
  ])('%s%s is %s', (host, path, type) => {
    expect(at(host)?.recognise(path)).toEqual({ type })
  })

  test.each([
    ['example.com', 443],
    ['api.openai.com.evil.test', 443],
    ['evil-api.openai.com', 443],
    ['s3.eu-central-1.amazonaws.com', 443],
    ['bedrock-runtime.a.b.amazonaws.com', 443],
    ['storage.googleapis.com', 443],
    ['api.openai.com', 8443],
    ['10.0.0.5', 443],
  ])('%s:%s is not known', (host, port) => {
    expect(at(host, port)).toBeUndefined()
  })

  test('certificates are for known hosts', () => {
    for (const name of ['api.openai.com', 'docs.test', 'eu-aiplatform.googleapis.com'])
      expect(known.has(name)).toBe(true)
    for (const name of ['', 'example.com', '*.openai.azure.com.evil', 'listener/default'])
      expect(known.has(name)).toBe(false)
  })
})

test.each([
  ['a.test:443', { host: 'a.test', port: 443 }],
  ['A.Test.:443', { host: 'a.test', port: 443 }],
  ['[::1]:80', { host: '::1', port: 80 }],
  ['10.0.0.1:5432', { host: '10.0.0.1', port: 5432 }],
  ['a.test', undefined],
  ['a.test:0', undefined],
  ['a.test:65536', undefined],
  ['user@a.test:443', undefined],
  ['127.1:443', undefined],
  ['2130706433:443', undefined],
  ['0x7f.0.0.0x1:443', undefined],
  ['[10.0.0.1]:443', undefined],
  ['a test:443', undefined],
  ['a.test:443/x', undefined],
  ['', undefined],
])('the place of %j', (authority, place) => {
  expect(placeOf(authority)).toEqual(place)
})

test('hosts in rules', () => {
  expect(hostPattern('*.a.test')('b.c.a.test')).toBe(true)
  expect(hostPattern('*.a.test')('a.test')).toBe(false)
  expect(hostPattern('*')('anything')).toBe(true)
  expect(hostPattern('x.*.a.test')('x.y.a.test')).toBe(true)
  expect(hostPattern('x.*.a.test')('x.y.z.a.test')).toBe(false)
  const inside = networks(['10.0.0.0/8', 'fd00::/8', '192.0.2.7'])
  expect(['10.1.2.3', 'fd00::1', '192.0.2.7'].every(inside)).toBe(true)
  expect(['11.0.0.1', 'fe80::1', '192.0.2.8', 'a.test', ''].some(inside)).toBe(false)
})
