import { expect, test } from 'vitest'
import { bulkOf } from './bulk.ts'
import { loadRules } from './load.ts'

const megabytes = (piece: string) => piece.repeat(Math.floor((4 * 1024 * 1024 - 100) / piece.length))

test.each([
  ['lists in lists', `a: ${megabytes('[')}`, /nested more than 64 levels/],
  ['mappings in mappings', `a: ${megabytes('{a: ')}`, /nested more than 64 levels/],
  ['lines', megabytes('a: 1\n'), /more than 500000 words and signs/],
  ['comments', megabytes('# x\n'), /more than 500000 words and signs/],
  ['aliases', `a: &a [1]\nb: [${megabytes('*a,')}]`, /more than 500000 words and signs/],
  ['documents', megabytes('---\na: 1\n'), /more than 500000 words and signs/],
])('four megabytes of %s are refused before a parser reads them', (_, text, message) => {
  const began = performance.now()
  const result = loadRules(text, 'rules.yaml')
  // A parser takes 10 to 20 s for these.
  expect(performance.now() - began).toBeLessThan(3_000)
  expect('diagnostics' in result && result.diagnostics.map((each) => each.message).join()).toMatch(message)
})

test('all files count together', () => {
  const text = 'a: 1\n'.repeat(50_000)
  expect(bulkOf([{ name: 'a.yaml', text }])).toBeUndefined()
  expect(
    bulkOf([
      { name: 'a.yaml', text },
      { name: 'b.yaml', text },
    ]),
  ).toMatchObject({ file: 'b.yaml' })
})

test('signs within words, quotes and comments are no lists', () => {
  const text = `a: "${'['.repeat(200)}" # ${'{'.repeat(200)}\nb: x${'['.repeat(200)}\n`
  expect(bulkOf([{ name: 'a.yaml', text }])).toBeUndefined()
})

test('a few thousand policies are no bulk', () => {
  const policies = Array.from({ length: 5_000 }, (_, i) => `    p${i}: { effect: deny, when: 'model == "m${i}"' }\n`)
  expect(bulkOf([{ name: 'a.yaml', text: `policies:\n  rules:\n${policies.join('')}` }])).toBeUndefined()
})
