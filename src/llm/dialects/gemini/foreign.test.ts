import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../conversation.ts'
import { withoutForeign } from './foreign.ts'
import { unsigned, writeProof } from './proof.ts'

const user = (text: string) => ({ role: 'user', parts: [{ text }] })
const model = (...parts: JsonObject[]) => ({ role: 'model', parts })
const thought = (text: string, thoughtSignature?: string) => ({
  text,
  thought: true,
  ...(thoughtSignature && { thoughtSignature }),
})
const call = (name: string, thoughtSignature?: string) => ({
  functionCall: { name, args: {} },
  ...(thoughtSignature && { thoughtSignature }),
})

const claude = writeProof({ kind: 'signature', opaque: { origin: 'anthropic', value: 'sig' } })
const nobody = writeProof({ kind: 'signature', opaque: unsigned })
const skip = 'skip_thought_signature_validator'

const cases: [name: string, contents: JsonObject[], kept: JsonObject[]][] = [
  ['a foreign thought', [user('x'), model(thought('Hm', claude), { text: 'a' })], [user('x'), model({ text: 'a' })]],
  [
    'with the pieces it was streamed in, of which nothing is left',
    [user('x'), model(thought('H')), model(thought('m')), model(thought('', claude)), model({ text: 'a' })],
    [user('x'), model({ text: 'a' })],
  ],
  [
    'but not the thought before it',
    [user('x'), model(thought('Mine', 'c2ln'), thought('Hm', claude)), user('y')],
    [user('x'), model(thought('Mine', 'c2ln')), user('y')],
  ],
  [
    'nor the one of another turn',
    [user('x'), model(thought('Mine')), user('y'), model(thought('', claude), { text: 'a' })],
    [user('x'), model(thought('Mine')), user('y'), model({ text: 'a' })],
  ],
  [
    'the mark of calls, the first of a step with a stand-in',
    [user('x'), model(call('f', nobody), call('g', nobody)), user('y'), model(call('h', claude))],
    [user('x'), model(call('f', skip), call('g')), user('y'), model(call('h', skip))],
  ],
  [
    'but not Gemini’s own signature',
    [user('x'), model(call('f', 'c2ln')), model(call('g', nobody))],
    [user('x'), model(call('f', 'c2ln')), model(call('g'))],
  ],
  [
    'in the other spelling as well',
    [user('x'), model({ function_call: { name: 'f' }, thought_signature: nobody })],
    [user('x'), model({ function_call: { name: 'f' }, thoughtSignature: skip })],
  ],
]

describe('withoutForeign', () => {
  test.each(cases)('%s', (_, contents, kept) => {
    const body = { contents, tools: [] }
    const before = structuredClone(body)
    expect(withoutForeign(body, 'gemini-3-pro')).toEqual({ contents: kept, tools: [] })
    expect(body).toEqual(before)
  })

  test('models before 3 want no stand-in', () => {
    const contents = [user('x'), model(call('f', nobody))]
    expect(withoutForeign({ contents }, 'gemini-2.5-pro')).toEqual({ contents: [user('x'), model(call('f'))] })
  })

  test.each([
    [{}],
    [{ contents: 'x' }],
    [{ contents: [1, null, { role: 'model' }, { role: 'model', parts: [1, null, {}] }] }],
    [{ contents: [user(claude), model(thought('Hm', 'c2ln'), call('f', 'c2ln'))] }],
  ])('%j stays as it is', (body) => {
    expect(withoutForeign(body)).toBeUndefined()
  })
})
