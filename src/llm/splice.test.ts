import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { prependMembers, replaceSpan, stringMember } from './splice.ts'

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text))
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8')

/** The text of the member's value, as stringMember sees it. */
function found(text: string, key = 'model'): string | undefined {
  const bytes = bytesOf(text)
  const span = stringMember(bytes, key)
  return span && textOf(bytes.subarray(span.start, span.end))
}

/** Text whose JSON is hard to read: quotes, backslashes, braces, what looks like a member, and any other letters. */
const hardText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('"', '\\', '{', '}', '[', ']', ':', ',', 'model', '"model":"x"', ' ', '\n', 'é', '😀'),
  }),
)
const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    hardText,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.oneof(hardText, fc.constant('model')), tie('value'), { maxKeys: 3 }),
  ),
})).value
const blanks = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 2 })

/** JSON.stringify with blanks between all tokens of the object's own level. */
function objectText(members: readonly (readonly [key: string, value: string])[], blank: string): string {
  const inner = members.map(([key, text]) => `${blank}${key}${blank}:${blank}${text}${blank}`).join(',')
  return `${blank}{${inner}}${blank}`
}

/** A key of JSON text that needs no escape, and is not `model`. */
const plainKey = hardText.map((key) => JSON.stringify(key)).filter((key) => !key.includes('\\') && key !== '"model"')
const members = fc.array(
  fc.tuple(
    plainKey,
    value.map((item) => JSON.stringify(item)),
  ),
  { maxLength: 5 },
)

describe('stringMember', () => {
  test('finds the one member of that name, wherever it stands and whatever stands around it', () => {
    fc.assert(
      fc.property(members, members, hardText, blanks, (before, after, model, blank) => {
        const put = JSON.stringify(model)
        const text = objectText([...before, ['"model"', put], ...after], blank)
        expect(found(text)).toBe(put)
      }),
    )
  })

  test('finds nothing where only nested objects have such a member', () => {
    fc.assert(
      fc.property(members, value, blanks, (others, nested, blank) => {
        const text = objectText([...others, ['"x"', JSON.stringify([{ model: 'm', nested }])]], blank)
        expect(found(text)).toBeUndefined()
      }),
    )
  })

  test('what it finds is what JSON.parse finds, in any JSON object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(hardText, fc.constant('model')), value), (object) => {
        const text = found(JSON.stringify(object))
        if (text !== undefined) expect(JSON.parse(text)).toBe(object.model)
      }),
    )
  })

  test('a name that stands twice is no one’s, however the second is written', () => {
    const spelling = fc
      .array(fc.boolean(), { minLength: 5, maxLength: 5 })
      .map((escaped) => [...'model'].map((c, i) => (escaped[i] ? `\\u00${c.charCodeAt(0).toString(16)}` : c)).join(''))
    fc.assert(
      fc.property(members, spelling, fc.boolean(), blanks, (others, again, first, blank) => {
        const pair: [string, string][] = [
          ['"model"', '"a"'],
          [`"${again}"`, '"b"'],
        ]
        expect(found(objectText([...(first ? pair : pair.reverse()), ...others], blank))).toBeUndefined()
        expect(found(objectText([pair[0]!, ...others, pair[1]!], blank))).toBeUndefined()
      }),
    )
  })

  test.each([
    ['{"model":5}'],
    ['{"model":null,"x":"y"}'],
    ['{"model":["m"]}'],
    ['{"model":"a","model":5}'],
    ['{"model":5,"model":"a"}'],
    ['{}'],
    ['{"models":"a","mode":"b","Model":"c"}'],
    ['{"x":"model"}'],
    ['{"x":"\\"model\\":\\"m\\""}'],
  ])('%s has none', (text) => {
    expect(found(text)).toBeUndefined()
  })

  test.each([
    ['{"model":"a\\"b"}', '"a\\"b"'],
    ['{"model":"a\\\\"}', '"a\\\\"'],
    ['{"x":"\\\\","model":"m"}', '"m"'],
    ['{"x":"\\\\\\"","model":"m"}', '"m"'],
    ['{"x":"model","model":"m"}', '"m"'],
    ['{"model":""}', '""'],
  ])('%s has %s', (text, member) => {
    expect(found(text)).toBe(member)
  })

  test('text that is cut off anywhere, or no JSON at all, ends in a span inside it or in none', () => {
    const whole = '{ "a" : [ {"model" : "x\\""} ], "model" : "m\\u0041", "z" : "\\"" }'
    const cut = fc.nat(whole.length).map((end) => bytesOf(whole.slice(0, end)))
    fc.assert(
      fc.property(fc.oneof(cut, fc.uint8Array({ maxLength: 60 }), hardText.map(bytesOf)), (bytes) => {
        const span = stringMember(bytes, 'model')
        if (!span) return
        expect(span.start).toBeGreaterThanOrEqual(0)
        expect(span.end).toBeGreaterThan(span.start)
        expect(span.end).toBeLessThanOrEqual(bytes.length)
      }),
    )
  })

  test('depth costs nothing: a million brackets need no stack', () => {
    const deep = `${'['.repeat(500_000)}${']'.repeat(500_000)}`
    expect(found(`{"x":${deep},"model":"m"}`)).toBe('"m"')
  })

  // Each of these took minutes where the time grew with the square of the length.
  test.each([
    ['keys', `{${'"a":1,'.repeat(700_000)}"model":"m"}`],
    ['quotes in a text', `{"x":"${'\\"'.repeat(2_000_000)}","model":"m"}`],
    ['backslashes in a text', `{"x":"${'\\\\'.repeat(2_000_000)}","model":"m"}`],
    ['texts in an array', `{"x":[${'"",'.repeat(1_000_000)}1],"model":"m"}`],
  ])('time grows with the length only: many %s', (_, text) => {
    const began = performance.now()
    expect(found(text)).toBe('"m"')
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})

describe('replaceSpan', () => {
  test('leaves all other bytes as they were, and its argument too', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(), fc.nat(), hardText, (bytes, a, b, text) => {
        const [start, end] = [a % (bytes.length + 1), b % (bytes.length + 1)].sort((x, y) => x - y) as [number, number]
        const before = Buffer.from(bytes)
        const out = Buffer.from(replaceSpan(bytes, { start, end }, text))
        expect(out).toEqual(Buffer.concat([before.subarray(0, start), Buffer.from(text), before.subarray(end)]))
        expect(Buffer.from(bytes)).toEqual(before)
      }),
    )
  })

  test('a model put in a found member is the only thing that changes', () => {
    fc.assert(
      fc.property(members, members, hardText, hardText, blanks, (before, after, old, put, blank) => {
        const write = (model: string) => objectText([...before, ['"model"', JSON.stringify(model)], ...after], blank)
        const bytes = bytesOf(write(old))
        const out = replaceSpan(bytes, stringMember(bytes, 'model')!, JSON.stringify(put))
        expect(textOf(out)).toBe(textOf(bytesOf(write(put))))
      }),
    )
  })
})

describe('prependMembers', () => {
  test('the object is what it was, with the new member first', () => {
    fc.assert(
      fc.property(members, blanks, (others, blank) => {
        const text = objectText([['"model"', '"m"'], ...others], blank)
        const out = textOf(prependMembers(bytesOf(text), '"added":{"x":1}'))
        expect(JSON.parse(out)).toEqual({ added: { x: 1 }, ...JSON.parse(text) })
        expect(out.startsWith(`${blank}{"added":{"x":1},`)).toBe(true)
      }),
    )
  })
})
