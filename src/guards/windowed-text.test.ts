import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DetectorName, detectors as names } from '../config/guards.ts'
import type { Detector } from './detectors/detector.ts'
import { detectors } from './detectors/index.ts'
import { patternDetector } from './detectors/pattern.ts'
import { GuardDenied } from './guards.ts'
import { inspect, type LocalGuard, type Sight } from './local-guard.ts'
import { Vault } from './vault.ts'
import { WindowedText } from './windowed-text.ts'

const samples = [
  ...['4111 1111 1111 1111', '4222222222222', '3782-822463-10005', '6759649826438453', 'DE89 3704 0044 0532 0130 00'],
  ...[
    'NO9386011117947',
    'ann@example.com',
    'jörg@müller.de',
    `${'x'.repeat(80)}@example.com`,
    '+49 30 901820',
    '555-123-4567',
  ],
  ...[
    '030/9018-20123',
    '(030) 901820',
    'sk-proj-abcdefgh1jklmnopqrstuvwx',
    'AKIAIOSFODNN7EXAMPLE',
    `ghp_${'a'.repeat(40)}`,
  ],
  `eyJhbGciOiJSUzI1NiJ9.eyJ${'a'.repeat(500)}.${'b'.repeat(300)}`,
  `-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEAx4UbaDzY5xjW6hc9\nabc\n-----END PRIVATE KEY-----`,
  `-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEAx4UbaDzY5xjW6hc9\nabcdefghijklmnopqrstuvwxyz`,
]
/** Texts made of things to be found, what they begin and end with, and what stands around them. */
const texts = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...samples) },
      {
        weight: 2,
        arbitrary: fc
          .tuple(fc.constantFrom(...samples), fc.nat(), fc.nat())
          .map(([sample, a, b]) => sample.slice(a % sample.length, (b % sample.length) + 1)),
      },
      {
        weight: 4,
        arbitrary: fc.string({ unit: fc.constantFrom(...' .,-+@/()[]0123456789abDEskyeJ_:\n\\"'), maxLength: 12 }),
      },
      { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 8 }) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          '-----BEGIN ',
          '-----',
          'A'.repeat(300),
          '{"a":',
          '\\n',
          'DE89',
          '4111 ',
          ' words of prose. ',
        ),
      },
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.join(''))
const cuts = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 20 })

const guard = (action: LocalGuard['action'], name = action): LocalGuard => ({
  name,
  action,
  restore: false,
  message: undefined,
})
const sightsOf = (found: readonly Detector[], by: LocalGuard): Sight[] =>
  found.map((detector) => ({ guard: by, detector }))
const allDetectors = names.flatMap((name) => detectors[name])

/** The pieces that come out for the pieces that go in, and what was told. */
function streamed(sights: readonly Sight[], text: string, sizes: readonly number[]) {
  const told: string[] = []
  const pieces: string[] = []
  const window = new WindowedText(sights, { vault: new Vault(), found: (...found) => told.push(found.join(' ')) })
  let denied: unknown
  try {
    for (let at = 0, i = 0; at < text.length; i++) {
      const size = sizes[i % sizes.length]!
      pieces.push(window.push(text.slice(at, at + size)))
      at += size
    }
    pieces.push(window.end())
  } catch (error) {
    denied = error
  }
  return { pieces, text: pieces.join(''), told, denied }
}

function whole(sights: readonly Sight[], text: string) {
  const told: string[] = []
  const parts = { vault: new Vault(), found: (...found: unknown[]) => told.push(found.join(' ')), mayRestore: false }
  try {
    return { text: inspect(text, sights, parts), told, denied: undefined }
  } catch (denied) {
    return { text: '', told, denied }
  }
}

describe('a streamed text is masked as the whole text is, wherever it is split', () => {
  test.each<[string, readonly Sight[]]>([
    ...names.map((name): [string, readonly Sight[]] => [name, sightsOf(detectors[name], guard('mask'))]),
    ['all', sightsOf(allDetectors, guard('mask'))],
    [
      'patterns beside detectors, overlapping them',
      [
        ...sightsOf(
          [patternDetector('[0-9]{2} [0-9]{2,8}', 'PAIR'), patternDetector('ann@ex|exam\\b', 'ANN')],
          guard('mask', 'mask'),
        ),
        ...sightsOf(allDetectors, guard('mask')),
      ],
    ],
  ])('%s', (_, sights) => {
    fc.assert(
      fc.property(texts, cuts, (text, sizes) => {
        const { text: written, told } = streamed(sights, text, sizes)
        const expected = whole(sights, text)
        expect(written).toBe(expected.text)
        expect(told).toEqual(expected.told)
      }),
      { numRuns: Number(process.env.RUNS ?? 400) },
    )
  })
})

test.each(names)('%s: what is refused is refused before any of it has gone', (name) => {
  const sights = sightsOf(detectors[name], guard('deny'))
  fc.assert(
    fc.property(texts, cuts, (text, sizes) => {
      const first = Math.min(...detectors[name].flatMap((detector) => detector.find(text).map(({ start }) => start)))
      const { text: written, denied } = streamed(sights, text, sizes)
      if (first === Infinity) expect([written, denied]).toEqual([text, undefined])
      else {
        expect(denied).toBeInstanceOf(GuardDenied)
        expect(text.slice(0, first).startsWith(written)).toBe(true)
      }
    }),
    { numRuns: Number(process.env.RUNS ?? 200) },
  )
})

describe('what is held back', () => {
  const held = (sights: readonly Sight[], text: string, size = 1) => {
    const window = new WindowedText(sights, { vault: new Vault(), found: () => {} })
    let most = 0
    let written = 0
    for (let at = 0; at < text.length; at += size) {
      written += window.push(text.slice(at, at + size)).length
      most = Math.max(most, at + size - written)
    }
    return most
  }

  test('of prose: no more than a word', () => {
    const prose = 'The quick brown fox, 12 of them, jumped over 3 lazy dogs in 2026. '.repeat(20)
    expect(held(sightsOf(allDetectors, guard('mask')), prose)).toBeLessThanOrEqual(8)
  })

  test('of anything: 256 characters, until something is found', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...' .,-+@/()0123abz_:'), maxLength: 1_500 }), (text) => {
        fc.pre(allDetectors.every((detector) => detector.find(text).length === 0))
        expect(held(sightsOf(allDetectors, guard('mask')), text, 7)).toBeLessThanOrEqual(256 + 7)
      }),
    )
  })

  test('of a pattern: its longest match, and a thousand characters where it has none', () => {
    const prose = 'words and words '.repeat(400)
    expect(held(sightsOf([patternDetector('PROJ-[0-9]{4,8}', 'X')], guard('mask')), prose)).toBe(14)
    expect(held(sightsOf([patternDetector('PROJ.*END', 'X')], guard('mask')), prose)).toBe(1_000)
  })

  test('of a finding without an end: a bounded part', () => {
    const { pieces } = streamed(sightsOf([patternDetector('x+', 'X')], guard('mask')), 'x'.repeat(100_000), [100])
    expect(pieces.join('')).toMatch(/^(?:\[X_\d\])+$/)
    const first = pieces.findIndex((piece) => piece !== '')
    expect(first * 100).toBeLessThan(18_000)
  })

  test('a long finding in small pieces takes no long time', () => {
    const text = `-----BEGIN PRIVATE KEY-----\n${'MIIEowIBAAKCAQEA'.repeat(990)}\n-----END PRIVATE KEY----- and so on`
    const began = performance.now()
    expect(streamed(sightsOf(allDetectors, guard('mask')), text, [3]).text).toBe('[SECRET_1] and so on')
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})

test('characters that are two units stay whole', () => {
  const { pieces } = streamed(sightsOf(allDetectors, guard('mask')), 'x😀 ann😀@example.com '.repeat(50), [1])
  for (const piece of pieces) expect(/[\ud800-\udbff]$|^[\udc00-\udfff]/.test(piece)).toBe(false)
})

const one = (name: DetectorName, by: LocalGuard) => sightsOf(detectors[name], by)

test.each([
  ['the rest of what overlaps is masked too', 'x 4111 1111 1111 1111 9 y', 'x [CARD_1][PAIR_1] y'],
  ['what lies within is masked with it', 'x ann@example.com y', 'x [EMAIL_1] y'],
])('%s', (_, text, expected) => {
  const sights = [
    ...one('card', guard('mask')),
    ...one('email', guard('mask')),
    ...sightsOf([patternDetector('1111 9', 'PAIR'), patternDetector('example', 'WORD')], guard('mask')),
  ]
  expect(whole(sights, text).text).toBe(expected)
  expect(streamed(sights, text, [1]).text).toBe(expected)
})

test('in JSON a placeholder is always part of a string', () => {
  const sights = one('card', guard('mask'))
  const text = '{"number":4111111111111111,"text":"\\"4111111111111111\\", 4111111111111111"}'
  const expected = '{"number":"[CARD_1]","text":"\\"[CARD_1]\\", [CARD_1]"}'
  expect(whole(sights, text).text).toBe(expected)
  expect(streamed(sights, text, [5]).text).toBe(expected)
  expect(whole(sights, `No ${text}`).text).toContain('"number":[CARD_1]')
})
