import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mcp } from '../../config/mcp.ts'
import type { JsonObject } from '../protocol.ts'
import { ArgumentsError } from './arguments-error.ts'
import { requestOf } from './call.ts'
import { resultOf } from './link.ts'
import { toolsOf } from './tools.ts'

const pets = `
openapi: 3.0.3
info: { title: Pets, version: "1.2", description: Keeps pets. }
servers: [{ url: "https://{region}.example.com/v2", variables: { region: { default: eu } } }]
paths:
  /pets:
    parameters: [{ name: X-Trace, in: header, schema: { type: string } }]
    get:
      operationId: listPets
      summary: Lists pets
      parameters:
        - { name: limit, in: query, schema: { type: integer, maximum: 100, exclusiveMaximum: true } }
        - { name: tags, in: query, schema: { type: array, items: { type: string } } }
        - { name: filter, in: query, style: deepObject, explode: true, schema: { type: object } }
        - { name: Authorization, in: header, schema: { type: string } }
    post:
      operationId: "create.pet!"
      requestBody: { required: true, content: { application/json: { schema: { $ref: "#/components/schemas/Pet" } } } }
  /pets/{id}:
    parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
    get: { summary: One pet }
    delete: { operationId: deletePet }
    put:
      operationId: uploadPet
      requestBody: { required: true, content: { application/x-protobuf: { schema: { type: object } } } }
  /login:
    post:
      operationId: login
      requestBody: { content: { application/x-www-form-urlencoded: { schema: { type: object } } } }
components:
  schemas:
    Pet:
      type: object
      required: [name, id]
      properties:
        id: { type: integer, readOnly: true }
        name: { type: string, nullable: true }
        friends: { type: array, items: { $ref: "#/components/schemas/Pet" } }
`

const ruleOf = (operations: object = {}) =>
  mcp.parse({ servers: { pets: { type: 'openapi', document: 'pets.yaml', operations } } }).servers.pets as never
const api = (text = pets, operations = {}) => toolsOf(text, ruleOf(operations), 'pets.yaml')
const tool = (name: string) => api().tools.find(({ definition }) => definition.name === name)!
const request = (name: string, args: JsonObject) => requestOf(tool(name), args)

test('operations are tools, in the document’s order, with their hints', () => {
  const { tools, left, title, version, baseUrl } = api()
  expect({ title, version, baseUrl }).toEqual({ title: 'Pets', version: '1.2', baseUrl: 'https://eu.example.com/v2' })
  expect(
    tools.map(({ definition: { name, annotations } }) => [
      name,
      annotations?.readOnlyHint,
      annotations?.destructiveHint,
    ]),
  ).toEqual([
    ['listPets', true, false],
    ['create_pet', false, false],
    ['get_pets_id', true, false],
    ['deletePet', false, true],
    ['login', false, false],
  ])
  expect(left).toEqual(['PUT /pets/{id}: its body can only be application/x-protobuf'])
})

test('schemas stand by themselves, in the form of 2020-12', () => {
  expect(tool('create_pet').definition.inputSchema).toEqual({
    type: 'object',
    properties: { 'X-Trace': { type: 'string' }, body: { $ref: '#/$defs/Pet' } },
    required: ['body'],
    additionalProperties: false,
    $defs: {
      Pet: {
        type: 'object',
        required: ['name'],
        properties: {
          name: { type: ['string', 'null'] },
          friends: { type: 'array', items: { $ref: '#/$defs/Pet' } },
        },
      },
    },
  })
  expect(tool('listPets').definition.inputSchema.properties).toMatchObject({
    limit: { type: 'integer', exclusiveMaximum: 100 },
  })
  // What is the gateway's own is no argument.
  expect(tool('listPets').definition.inputSchema.properties).not.toHaveProperty('Authorization')
})

describe('the request of a call', () => {
  test.each<[string, JsonObject, string, string, string | null]>([
    ['listPets', {}, 'GET', '/pets', null],
    ['listPets', { limit: 5, tags: ['a', 'b c'] }, 'GET', '/pets?limit=5&tags=a&tags=b%20c', null],
    ['listPets', { filter: { age: 3, name: 'x&y' } }, 'GET', '/pets?filter[age]=3&filter[name]=x%26y', null],
    ['get_pets_id', { id: 'a/b?c#d' }, 'GET', '/pets/a%2Fb%3Fc%23d', null],
    ['create_pet', { body: { name: 'Rex' } }, 'POST', '/pets', '{"name":"Rex"}'],
    ['login', { body: { user: 'ann', role: ['a', 'b'] } }, 'POST', '/login', 'user=ann&role=a&role=b'],
  ])('%s %j', (name, args, method, path, body) => {
    expect(request(name, args)).toMatchObject({ method, path, body })
  })

  test.each<[string, JsonObject, RegExp]>([
    ['get_pets_id', {}, /"id" is missing/],
    ['get_pets_id', { id: '..' }, /cannot be "\.\."/],
    ['get_pets_id', { id: '' }, /cannot be ""/],
    ['get_pets_id', { id: { a: { b: 1 } } }, /nested deeper/],
    ['create_pet', {}, /"body" is missing/],
    ['listPets', { Authorization: 'mine' }, /no argument "Authorization"/],
    ['listPets', { 'X-Trace': 'a\r\nHost: evil' }, /plain ASCII in one line/],
  ])('%s %j is refused', (name, args, message) => {
    expect(() => request(name, args)).toThrow(ArgumentsError)
    expect(() => request(name, args)).toThrow(message)
  })

  test('a value never leaves its segment, nor its place in the query', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('../..', '..;', '%2e%2e', './', '\\', 'a/../b'),
    )
    fc.assert(
      fc.property(text, text, (id, tag) => {
        let path: string
        try {
          path = request('get_pets_id', { id }).path
        } catch (error) {
          if (error instanceof ArgumentsError || error instanceof URIError) return
          throw error
        }
        const url = new URL(`https://example.com/v2${path}`)
        expect(url.pathname.split('/')).toHaveLength(4)
        expect(decodeURIComponent(url.pathname.split('/')[3]!)).toBe(id)
        const query = new URL(`https://example.com${request('listPets', { tags: [tag] }).path}`)
        expect([...query.searchParams.keys()]).toEqual(['tags'])
      }),
    )
  })
})

describe('what an answer is', () => {
  const bytes = (text: string) => new TextEncoder().encode(text)
  test.each<[number, string, string, object]>([
    [200, 'application/json', '{"a":1}', { content: [{ type: 'text', text: '{"a":1}' }], structuredContent: { a: 1 } }],
    [200, 'application/json', '[1]', { content: [{ type: 'text', text: '[1]' }] }],
    [200, 'application/problem+json', '{', { content: [{ type: 'text', text: '{' }] }],
    [
      404,
      'text/plain',
      'gone',
      {
        content: [
          { type: 'text', text: 'HTTP 404' },
          { type: 'text', text: 'gone' },
        ],
        isError: true,
      },
    ],
    [204, '', '', { content: [{ type: 'text', text: 'HTTP 204' }] }],
    [200, 'image/png', 'x', { content: [{ type: 'image', data: 'eA==', mimeType: 'image/png' }] }],
  ])('%i %s %j', (status, type, text, expected) => expect(resultOf(status, type, bytes(text))).toEqual(expected))

  test('anything else is a resource', () => {
    expect(resultOf(200, 'application/pdf', bytes('x')).content).toMatchObject([{ type: 'resource' }])
  })
})

test('the rules name, describe and hide operations', () => {
  const { tools } = api(pets, {
    listPets: { name: 'pets', description: 'All of them.', readOnly: false, destructive: true },
    'GET /pets/{id}': { hide: true },
  })
  expect(tools[0]!.definition).toMatchObject({
    name: 'pets',
    description: 'All of them.',
    annotations: { destructiveHint: true },
  })
  expect(tools.map(({ operation }) => operation)).not.toContain('GET /pets/{id}')
})

test.each([
  ['swagger: "2.0"\npaths: {}', /^pets\.yaml: openapi must be a version 3/],
  ['openapi: 3.1.0', /^pets\.yaml: paths must be an object/],
  ['{', /neither JSON nor YAML/],
  ['[]', /must be an object/],
])('%j is refused', (text, message) => expect(() => api(text)).toThrow(message))

test('an operation that the document does not have is told', () => {
  expect(() => api(pets, { listPet: {} })).toThrow('has no operation listPet')
})

test('nothing is read but the document, and what refers to itself ends', () => {
  const with_ = (schema: string) =>
    `openapi: 3.1.0\npaths: { /a: { get: { parameters: [{ name: q, in: query, schema: ${schema} }] } } }\ncomponents: { schemas: { A: { $ref: "#/components/schemas/B" }, B: { $ref: "#/components/schemas/A" } } }`
  for (const schema of [
    '{ $ref: "file:///etc/passwd" }',
    '{ $ref: "https://example.com/a.json" }',
    '{ $ref: "#/nowhere" }',
    '{ $ref: "#/components/schemas/A" }',
  ]) {
    const { tools, left } = api(with_(schema))
    expect(tools).toEqual([])
    expect(left[0]).toMatch(/outside of the document|not there|refers to itself/)
  }
})

describe('what is no JSON', () => {
  const files = `
openapi: 3.1.0
info: { title: Files, version: "1" }
servers: [{ url: "https://files.example.com" }]
paths:
  /files:
    post:
      operationId: upload
      parameters:
        - { name: session, in: cookie, required: true, schema: { type: string } }
        - { name: "bad name", in: cookie, schema: { type: string } }
      requestBody:
        required: true
        content:
          multipart/form-data:
            schema: { $ref: "#/components/schemas/Upload" }
            encoding: { meta: { contentType: application/ld+json } }
  /raw:
    put:
      operationId: raw
      requestBody: { content: { image/png: {} } }
components:
  schemas:
    Upload:
      type: object
      required: [file]
      properties:
        file: { type: string, format: binary }
        more: { type: array, items: { $ref: "#/components/schemas/Bytes" } }
        title: { type: string }
        meta: { type: object }
        labels: { type: array, items: { type: string } }
    Bytes: { type: string, contentMediaType: application/pdf }
`
  const named = (name: string) => api(files).tools.find(({ definition }) => definition.name === name)!

  test('files are arguments in base64', () => {
    const { properties, required } = named('upload').definition.inputSchema as {
      properties: Record<string, { properties?: object; items?: object }>
      required: string[]
    }
    expect(required).toEqual(['session', 'body'])
    expect(Object.keys(properties)).toEqual(['session', 'body'])
    expect(properties.body).toMatchObject({
      required: ['file'],
      properties: {
        file: { properties: { data: { contentEncoding: 'base64' } } },
        more: { type: 'array', items: { required: ['data'] } },
        title: { type: 'string' },
      },
    })
    expect(named('raw').definition.inputSchema).toMatchObject({
      properties: { body: { type: 'string', contentEncoding: 'base64', contentMediaType: 'image/png' } },
    })
  })

  test('a form has a part for each, which its own parser reads back', async () => {
    const bytes = Buffer.from([0, 255, 13, 10, 45, 45, 1])
    const { headers, body } = requestOf(named('upload'), {
      session: 'a; b=c',
      body: {
        file: { data: bytes.toString('base64'), filename: 'x"\r\ny.bin', contentType: 'application/x-thing' },
        more: [{ data: 'QQ==' }, 'Qg=='],
        title: 'Grüße',
        meta: { a: 1 },
        labels: ['one', 'two'],
      },
    })
    expect(headers).toContainEqual(['cookie', 'session=a%3B%20b%3Dc'])
    const type = headers.find(([name]) => name === 'content-type')![1]
    const form = await new Response(Buffer.from(body as Uint8Array), { headers: { 'content-type': type } }).formData()
    const file = form.get('file') as File
    expect(Buffer.from(await file.arrayBuffer())).toEqual(bytes)
    expect([file.name, file.type]).toEqual(['x"\r\ny.bin', 'application/x-thing'])
    const more = form.getAll('more') as File[]
    expect(await Promise.all(more.map((each) => each.text()))).toEqual(['A', 'B'])
    expect(form.get('title')).toBe('Grüße')
    expect(form.getAll('labels')).toEqual(['one', 'two'])
    expect(Buffer.from(body as Uint8Array).toString()).toContain('content-type: application/ld+json\r\n\r\n{"a":1}')
  })

  test('bytes go as they are, and what is no base64 is the model’s to mend', () => {
    const { headers, body } = requestOf(named('raw'), { body: 'iVBORw==' })
    expect(headers).toContainEqual(['content-type', 'image/png'])
    expect(Buffer.from(body as Uint8Array).toString('hex')).toBe('89504e47')
    expect(() => requestOf(named('raw'), { body: 'not base64!' })).toThrow(/bytes in base64/)
    expect(() => requestOf(named('upload'), { session: 's', body: { file: {} } })).toThrow(ArgumentsError)
    expect(() => requestOf(named('upload'), { session: 's', body: 'x' })).toThrow(/must be an object/)
  })

  test('half a character is replaced', () => {
    expect(request('get_pets_id', { id: 'a\ud800b' }).path).toBe('/pets/a%EF%BF%BDb')
  })
})
