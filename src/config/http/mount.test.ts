import { expect, test } from 'vitest'
import { route } from '../http.ts'
import { innerPath, mountOf } from './mount.ts'

const mounted = (match: object, ai: object) => mountOf(route.parse({ name: 'r', match, ai }))

test.each([
  ['/llm', '/llm/v1/chat/completions?x=1', '/v1/chat/completions?x=1'],
  ['/llm/', '/llm/v1beta/models', '/v1beta/models'],
  ['/llm/v1', '/llm/v1/models', '/v1/models'],
  ['/v1', '/v1/models', '/v1/models'],
  ['/', '/v1/models', '/v1/models'],
])('models below %s: %s is %s', (prefix, path, inner) => {
  expect(innerPath(mounted({ prefix }, { models: ['m'] }), path)).toBe(inner)
})

test.each([
  [{ mcp: 'here' }, '/tools', '/mcp/here'],
  [{ mcp: 'default' }, '/tools?x', '/mcp?x'],
  [{ mcp: 'here' }, '/.well-known/oauth-protected-resource/tools', '/.well-known/oauth-protected-resource/mcp/here'],
  [{ agent: 'planner' }, '/tools/message:send', '/a2a/planner/message:send'],
  [{ agent: 'planner' }, '/tools/.well-known/jwks.json', '/.well-known/jwks.json'],
])('%j at /tools: %s is %s', (ai, path, inner) => {
  expect(innerPath(mounted({ prefix: '/tools' }, ai), path)).toBe(inner)
})
