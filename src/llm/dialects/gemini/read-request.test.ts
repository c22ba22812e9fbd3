import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Conversation, JsonObject } from '../../conversation.ts'
import { ApiError } from '../../errors.ts'
import { unsigned, writeProof } from './proof.ts'
import { readRequest } from './read-request.ts'

const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }]
const turns: Conversation['turns'] = [{ role: 'user', parts: [{ type: 'text', text: 'Hello' }] }]
const base = { turns, tools: [], stream: false, extra: {} }

const config = (fields: JsonObject) => ({ generationConfig: fields })
const functions = (...declarations: JsonObject[]) => ({ tools: [{ functionDeclarations: declarations }] })
const calling = (fields: JsonObject) => ({ ...functions({ name: 'f' }), toolConfig: { functionCallingConfig: fields } })
const tools = [{ name: 'f' }]

const cases: [name: string, body: JsonObject, fields: Partial<Conversation>][] = [
  ['nothing but contents', {}, {}],
  ['the model, which the path names', { model: 'models/x' }, {}],
  [
    'null is absent',
    { systemInstruction: null, tools: null, generationConfig: { topP: null }, cachedContent: null },
    {},
  ],

  [
    'sampling',
    config({ temperature: 0.5, topP: 0.9, topK: 40, seed: 7, presencePenalty: 0.1, frequencyPenalty: -0.2 }),
    { temperature: 0.5, topP: 0.9, topK: 40, seed: 7, presencePenalty: 0.1, frequencyPenalty: -0.2 },
  ],
  [
    'bounds',
    config({ maxOutputTokens: 100, stopSequences: ['END'], candidateCount: 2 }),
    { maxTokens: 100, stop: ['END'], n: 2 },
  ],
  ['log probabilities', config({ responseLogprobs: true, logprobs: 5 }), { logprobs: true, topLogprobs: 5 }],
  [
    'the other spelling',
    {
      system_instruction: { parts: [{ text: 'Be brief.' }] },
      generation_config: { max_output_tokens: 5, thinking_config: { thinking_budget: 9, include_thoughts: true } },
      tools: [{ function_declarations: [{ name: 'f', parameters_json_schema: { type: 'object' } }] }],
      tool_config: { function_calling_config: { mode: 'ANY', allowed_function_names: ['f'] } },
    },
    {
      turns: [{ role: 'system', parts: [{ type: 'text', text: 'Be brief.' }] }, ...turns],
      maxTokens: 5,
      reasoning: { budget: 9, summary: 'auto' },
      tools: [{ name: 'f', parameters: { type: 'object' } }],
      toolChoice: { type: 'tool', name: 'f' },
    },
  ],

  ['JSON', config({ responseMimeType: 'application/json' }), { output: { type: 'json_object' } }],
  ['plain text', config({ responseMimeType: 'text/plain' }), { output: { type: 'text' } }],
  [
    'a schema of Google’s, which names every property there is',
    config({
      responseMimeType: 'application/json',
      responseSchema: { type: 'OBJECT', properties: { a: { type: 'STRING' } }, required: ['a'] },
    }),
    {
      output: {
        type: 'json_schema',
        name: 'answer',
        schema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'], additionalProperties: false },
        strict: true,
      },
    },
  ],
  [
    'a JSON Schema goes as it is',
    config({ responseMimeType: 'application/json', responseJsonSchema: { type: 'object', properties: { a: {} } } }),
    { output: { type: 'json_schema', name: 'answer', schema: { type: 'object', properties: { a: {} } } } },
  ],

  ['thoughts shown', config({ thinkingConfig: { includeThoughts: true } }), { reasoning: { summary: 'auto' } }],
  ['a budget', config({ thinkingConfig: { thinkingBudget: 2048 } }), { reasoning: { budget: 2048, summary: 'none' } }],
  [
    'no budget',
    config({ thinkingConfig: { thinkingBudget: 0, includeThoughts: true } }),
    { reasoning: { effort: 'none' } },
  ],
  [
    'the model’s own budget',
    config({ thinkingConfig: { thinkingBudget: -1 } }),
    { reasoning: { adaptive: true, summary: 'none' } },
  ],
  [
    'a level',
    config({ thinkingConfig: { thinkingLevel: 'HIGH', includeThoughts: true } }),
    { reasoning: { effort: 'high', summary: 'auto' } },
  ],
  [
    'an unnamed level',
    config({ thinkingConfig: { thinkingLevel: 'THINKING_LEVEL_UNSPECIFIED' } }),
    { reasoning: { summary: 'none' } },
  ],
  ['thinking left alone', config({ thinkingConfig: {} }), {}],

  [
    'functions, in several tools',
    {
      tools: [
        {
          functionDeclarations: [
            { name: 'a', description: 'A', parameters: { type: 'OBJECT' }, response: { type: 'STRING' } },
          ],
        },
        { functionDeclarations: [{ name: 'b', parametersJsonSchema: { type: 'object', oneOf: [] } }] },
      ],
    },
    {
      tools: [
        { name: 'a', description: 'A', parameters: { type: 'object' } },
        { name: 'b', parameters: { type: 'object', oneOf: [] } },
      ],
    },
  ],
  ['AUTO', calling({ mode: 'AUTO' }), { tools, toolChoice: { type: 'auto' } }],
  ['NONE', calling({ mode: 'NONE' }), { tools, toolChoice: { type: 'none' } }],
  ['ANY', calling({ mode: 'ANY' }), { tools, toolChoice: { type: 'required' } }],
  [
    'ANY of one',
    calling({ mode: 'ANY', allowedFunctionNames: ['f'] }),
    { tools, toolChoice: { type: 'tool', name: 'f' } },
  ],
  [
    'ANY of some',
    calling({ mode: 'ANY', allowedFunctionNames: ['f', 'g'] }),
    { tools, toolChoice: { type: 'allowed', mode: 'required', names: ['f', 'g'] } },
  ],
  [
    'VALIDATED of some',
    calling({ mode: 'VALIDATED', allowedFunctionNames: ['f'] }),
    { tools, toolChoice: { type: 'allowed', mode: 'auto', names: ['f'] } },
  ],
  ['an unnamed mode', calling({ mode: 'MODE_UNSPECIFIED' }), { tools }],
  [
    'VALIDATED makes functions strict whose schemas can be',
    {
      ...functions(
        { name: 'closed', parametersJsonSchema: { type: 'object', properties: {}, additionalProperties: false } },
        { name: 'open', parametersJsonSchema: { type: 'object', properties: {} } },
      ),
      toolConfig: { functionCallingConfig: { mode: 'VALIDATED' } },
    },
    {
      tools: [
        { name: 'closed', parameters: { type: 'object', properties: {}, additionalProperties: false }, strict: true },
        { name: 'open', parameters: { type: 'object', properties: {} } },
      ],
      toolChoice: { type: 'auto' },
    },
  ],

  ['labels', { labels: { team: 'a' } }, { metadata: { team: 'a' } }],
  ['a tier', { serviceTier: 'flex' }, { serviceTier: 'flex' }],
  ['the tier everyone has', { serviceTier: 'standard' }, {}],
  [
    'a filter that lets everything pass',
    {
      safetySettings: [
        { category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' },
        { category: 'HARM_CATEGORY_HATE_SPEECH', threshold: 'OFF' },
      ],
    },
    {},
  ],
  [
    'a filter that does not',
    { safetySettings: [{ category: 'c', threshold: 'BLOCK_LOW_AND_ABOVE' }] },
    { extra: { safetySettings: [{ category: 'c', threshold: 'BLOCK_LOW_AND_ABOVE' }] } },
  ],
  [
    'fields without a neutral place',
    { cachedContent: 'cachedContents/1', new_field: 1 },
    { extra: { cachedContent: 'cachedContents/1', newField: 1 } },
  ],
  [
    'settings without a neutral place',
    config({ responseModalities: ['IMAGE'], speechConfig: {}, audioTimestamp: false }),
    { extra: { 'generationConfig.responseModalities': ['IMAGE'], 'generationConfig.speechConfig': {} } },
  ],
  ['the modality everyone has', config({ responseModalities: ['TEXT'] }), {}],
]

describe('readRequest', () => {
  test.each(cases)('%s', (_, body, fields) => {
    expect(readRequest({ contents, ...body })).toEqual({ ...base, ...fields })
  })

  const bad: [body: JsonObject, param: string][] = [
    [{ contents: undefined }, 'contents'],
    [{ contents: [] }, 'contents'],
    [{ contents: 'Hello' }, 'contents'],
    [{ contents: [1] }, 'contents[0]'],
    [{ contents: [{ role: 'system', parts: [] }] }, 'contents[0].role'],
    [{ contents: [{ parts: [{}] }] }, 'contents[0].parts[0]'],
    [{ contents: [{ parts: [{ text: 1 }] }] }, 'contents[0].parts[0].text'],
    [{ contents: [{ parts: [{ executableCode: {} }] }] }, 'contents[0].parts[0].executableCode'],
    [{ contents: [{ role: 'model', parts: [{ functionCall: {} }] }] }, 'contents[0].parts[0].functionCall.name'],
    [
      { contents: [{ role: 'model', parts: [{ functionCall: { name: 'f', args: '{}' } }] }] },
      'contents[0].parts[0].functionCall.args',
    ],
    [
      { contents: [{ parts: [{ functionResponse: { name: 'f', response: {} } }] }] },
      'contents[0].parts[0].functionResponse',
    ],
    [{ contents: [{ parts: [{ inlineData: { data: '' } }] }] }, 'contents[0].parts[0].inlineData.mimeType'],
    [
      { contents: [{ parts: [{ inlineData: { mimeType: 'video/mp4', data: '' } }] }] },
      'contents[0].parts[0].inlineData',
    ],
    [{ contents: [{ parts: [{ fileData: { fileUri: 'gs://b/a.pdf' } }] }] }, 'contents[0].parts[0].fileData.fileUri'],
    [
      { contents: [{ parts: [{ fileData: { fileUri: 'file:///etc/passwd' } }] }] },
      'contents[0].parts[0].fileData.fileUri',
    ],
    [
      { contents: [{ parts: [{ fileData: { fileUri: 'https://a.example/b' } }] }] },
      'contents[0].parts[0].fileData.mimeType',
    ],
    [{ systemInstruction: 'Be brief.' }, 'systemInstruction'],
    [{ systemInstruction: { parts: [{ inlineData: {} }] } }, 'systemInstruction.parts[0].text'],
    [{ tools: [{ googleSearch: {} }] }, 'tools[0].googleSearch'],
    [{ tools: [{ functionDeclarations: [{}] }] }, 'tools[0].functionDeclarations[0].name'],
    [functions({ name: 'f', parameters: { type: 'X' } }), 'tools[0].functionDeclarations[0].parameters.type'],
    [calling({ mode: 'SOMETIMES' }), 'toolConfig.functionCallingConfig.mode'],
    [calling({ allowedFunctionNames: [1] }), 'toolConfig.functionCallingConfig.allowedFunctionNames[0]'],
    [config({ temperature: '1' }), 'generationConfig.temperature'],
    [config({ maxOutputTokens: 0 }), 'generationConfig.maxOutputTokens'],
    [config({ stopSequences: [1] }), 'generationConfig.stopSequences[0]'],
    [config({ responseMimeType: 'text/x.enum' }), 'generationConfig.responseMimeType'],
    [config({ responseSchema: { type: 'STRING' } }), 'generationConfig.responseMimeType'],
    [config({ thinkingConfig: { thinkingBudget: -2 } }), 'generationConfig.thinkingConfig.thinkingBudget'],
    [config({ thinkingConfig: { thinkingLevel: 'MOST' } }), 'generationConfig.thinkingConfig.thinkingLevel'],
    [{ safetySettings: {} }, 'safetySettings'],
    [{ labels: { a: 1 } }, 'labels.a'],
  ]
  test.each(bad)('%j is refused at %s', (body, param) => {
    expect(() => readRequest({ contents, ...body })).toThrow(expect.objectContaining({ status: 400, param }))
  })
})

test('whatever the JSON, it is read or refused by name', () => {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 8, withCrossShrink: true },
      fc.constantFrom(
        null,
        '',
        'x',
        'user',
        'model',
        'OBJECT',
        'ANY',
        'image/png',
        'application/json',
        1,
        -1,
        true,
        unsignedMark,
      ),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...words), tie('value'), { maxKeys: 4 }),
    ),
  }))
  const object = fc.dictionary(fc.constantFrom(...words), value)
  const content = fc.record({ role: fc.constantFrom('user', 'model'), parts: fc.array(object, { maxLength: 3 }) })
  fc.assert(
    fc.property(fc.array(content, { maxLength: 3 }), object, (contents, rest) => {
      try {
        expect(readRequest({ contents, ...rest }).turns).toBeInstanceOf(Array)
      } catch (error) {
        expect(error).toBeInstanceOf(ApiError)
        expect(error).toMatchObject({ status: 400, param: expect.any(String) })
      }
    }),
    { numRuns: 2000 },
  )
})

const unsignedMark = writeProof({ kind: 'signature', opaque: unsigned })
const words = [
  'contents',
  'role',
  'parts',
  'text',
  'thought',
  'thought_signature',
  'inlineData',
  'mimeType',
  'data',
  'fileData',
  'fileUri',
  'functionCall',
  'functionResponse',
  'name',
  'id',
  'args',
  'response',
  'systemInstruction',
  'tools',
  'functionDeclarations',
  'parameters',
  'type',
  'properties',
  'items',
  'any_of',
  'toolConfig',
  'functionCallingConfig',
  'mode',
  'allowedFunctionNames',
  'generationConfig',
  'responseMimeType',
  'responseSchema',
  'thinkingConfig',
  'thinkingBudget',
  'stopSequences',
  'labels',
  'safetySettings',
  '__proto__',
]
