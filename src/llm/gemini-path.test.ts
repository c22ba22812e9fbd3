import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decode, geminiPath } from './gemini-path.ts'

describe('geminiPath', () => {
  test('a model’s name comes back, whatever it holds', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 })
    fc.assert(
      fc.property(name, fc.constantFrom('v1', 'v1beta'), (model, version) => {
        const path = `/${version}/models/${encodeURIComponent(model)}:generateContent`
        expect(geminiPath(path, 'POST')).toEqual({ method: 'generateContent', model })
      }),
    )
  })

  test('the method begins at the last colon', () => {
    expect(geminiPath('/v1beta/models/a:b/c:d', 'POST')).toEqual({ method: 'd', model: 'a:b/c' })
    expect(geminiPath('/v1beta/models/:d', 'POST')).toEqual({ method: 'd', model: '' })
    expect(geminiPath('/v1beta/models/a:', 'POST')).toEqual({ method: '', model: 'a' })
    expect(geminiPath('/v1beta/models/a', 'POST')).toEqual({ method: undefined, model: 'a' })
  })

  test('GET means the list, or a model with all its colons', () => {
    for (const path of ['/v1beta/models', '/v1beta/models/'])
      expect(geminiPath(path, 'GET')).toEqual({ method: undefined, model: undefined })
    expect(geminiPath('/v1beta/models/a%3Ab:c', 'GET')).toEqual({ method: undefined, model: 'a:b:c' })
  })

  test.each([
    ['/v1/models', 'GET'],
    ['/v1/models/m', 'GET'],
    ['/v1/models', 'POST'],
    ['/v1/chat/completions', 'POST'],
    ['/v2/models/m:generateContent', 'POST'],
    ['/v1betamodels/m:generateContent', 'POST'],
    ['//v1beta/models/m:generateContent', 'POST'],
    ['', 'POST'],
  ])('%s (%s) is not Google’s', (path, verb) => {
    expect(geminiPath(path, verb)).toBeUndefined()
  })

  test.each(['/v1beta', '/v1beta/', '/v1beta/files', '/v1beta/modelsx', `/v1beta/models/${'m'.repeat(4_096)}:x`])(
    '%s is Google’s, but nothing here',
    (path) => {
      expect(geminiPath(path, 'POST')).toEqual({ method: '', model: '' })
    },
  )

  test('a path of any length takes little time', () => {
    const began = performance.now()
    geminiPath(`/v1beta/${'models/'.repeat(1_000_000)}`, 'POST')
    geminiPath(`/v1beta/models/${':'.repeat(4_000)}`, 'POST')
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})

test('decode leaves what it cannot read', () => {
  expect(decode('a%20b')).toBe('a b')
  expect(decode('100%')).toBe('100%')
  expect(decode('%ff')).toBe('%ff')
})
