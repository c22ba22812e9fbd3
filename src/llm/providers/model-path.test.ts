import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { modelSegment } from './model-path.ts'

describe('modelSegment', () => {
  test.each([
    ['gpt-5.1', 'gpt-5.1'],
    ['anthropic.claude-sonnet-4-5-20250929-v1:0', 'anthropic.claude-sonnet-4-5-20250929-v1%3A0'],
    [
      'arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/abc',
      'arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3Aapplication-inference-profile%2Fabc',
    ],
    ["a!'()*", 'a%21%27%28%29%2A'],
    ['a?b#c&d=e', 'a%3Fb%23c%26d%3De'],
    ['modèle', 'mod%C3%A8le'],
    ['a..b', 'a..b'],
    ['%2e%2e', '%252e%252e'],
    ['a b', 'a%20b'],
  ])('%s → %s', (model, segment) => {
    expect(modelSegment(model)).toBe(segment)
  })

  test.each([
    '',
    '.',
    '..',
    '../x',
    'x/..',
    'x/../y',
    'x/./y',
    '/x',
    'x/',
    'x//y',
    '..\\x',
    'x\r\nHost: evil',
    'x\0',
    'x\u0085',
    '\ud800',
    'a\udc00b',
    'x'.repeat(2049),
  ])('refuses %j', (model) => {
    expect(modelSegment(model)).toBeUndefined()
  })

  test('whatever a client writes stays one segment of the path and keeps its meaning', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (model) => {
        const segment = modelSegment(model)
        if (segment === undefined) return
        expect(segment).toMatch(/^(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+$/)
        expect(decodeURIComponent(segment)).toBe(model)
        const url = new URL(`https://host/model/${segment}/converse`)
        expect(url.href).toBe(`https://host/model/${segment}/converse`)
      }),
      { numRuns: 2000 },
    )
  })
})
