import { describe, expect, test } from 'vitest'
import type { JsonObject } from './conversation.ts'
import type { ClientDialectName } from './dialects/index.ts'
import { modelList, oneModel } from './models.ts'
import { compiled } from './testing.ts'

const rules = compiled({
  providers: {
    o: { type: 'openai-compatible', baseUrl: 'http://o.example/v1', apis: ['embeddings'] },
    a: { type: 'anthropic', apiKey: '${env:A}' },
  },
  models: {
    smart: { targets: [{ provider: 'a' }] },
    embed: { targets: [{ provider: 'o' }] },
    constructor: { targets: [{ provider: 'a' }] },
    'open-*': { targets: [{ provider: 'a' }] },
  },
  aliases: { best: 'smart' },
})
const list = (format: ClientDialectName, may?: (model: string) => boolean) =>
  JSON.parse(modelList(rules, format, may).body)

const names = ['best', 'constructor', 'embed', 'smart']

describe('modelList', () => {
  test('has all names and aliases in order, but no patterns', () => {
    expect(list('chat')).toEqual({
      object: 'list',
      data: names.map((id) => ({ id, object: 'model', created: 0, owned_by: 'chaperone' })),
    })
  })

  test('in Anthropic’s form', () => {
    const body = list('messages')
    expect(body).toMatchObject({ has_more: false, first_id: 'best', last_id: 'smart' })
    expect(body.data.map(({ id, type }: JsonObject) => [id, type])).toEqual(names.map((id) => [id, 'model']))
    expect(list('messages', () => false)).toEqual({ data: [], has_more: false, first_id: null, last_id: null })
  })

  test('in Google’s form, with what each model, or the one its alias means, can do', () => {
    const all = ['generateContent', 'streamGenerateContent', 'countTokens']
    expect(list('gemini').models.map((model: JsonObject) => [model.name, model.supportedGenerationMethods])).toEqual([
      ['models/best', all],
      ['models/constructor', all],
      ['models/embed', []],
      ['models/smart', all],
    ])
  })

  test('has what the caller may use: an alias goes with the model it means', () => {
    const ids = (may: (model: string) => boolean) => list('chat', may).data.map(({ id }: JsonObject) => id)
    expect(ids((model) => model !== 'smart')).toEqual(['constructor', 'embed'])
    expect(ids((model) => model === 'smart')).toEqual(['best', 'smart'])
    expect(ids((model) => model === 'best')).toEqual([])
  })

  test('leaves the names of the rules as they were', () => {
    const before = [...rules.modelNames]
    list('chat')
    expect(rules.modelNames).toEqual(before)
  })
})

test('oneModel is the entry of the list', () => {
  expect(JSON.parse(oneModel(rules, 'smart', 'chat').body)).toEqual(list('chat').data[3])
  expect(JSON.parse(oneModel(rules, 'best', 'gemini').body)).toEqual(list('gemini').models[0])
})
