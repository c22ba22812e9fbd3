// What the reference servers of both eras offer: the names are those that the conformance suite asks for. Everything is
// written once and without either SDK's types, so that a client can tell the eras apart only by the protocol.

/** A content block or message part, as it is on the wire in every revision. */
export type Block = { readonly type: string; readonly [key: string]: unknown }

/** A JSON Schema, or a part of one. */
export type Schema = { readonly [key: string]: unknown }

/** A request that a server makes of its client: on the wire as a request (old era) or inside a result (new era). */
export interface Ask {
  readonly method: 'elicitation/create' | 'sampling/createMessage' | 'roots/list'
  readonly params: { readonly [key: string]: unknown }
}

/** Asks that may be answered in any order, by key. */
export type Asks = { readonly [key: string]: Ask }

/** What the client answered, by the key of the question. */
export type Answers = Readonly<Record<string, { readonly [key: string]: unknown }>>

/** What a round may depend on. */
export interface RoundInput {
  readonly args: { readonly [key: string]: unknown }
  /** Whether the client has said that it can answer such a request. */
  readonly can: (capability: 'elicitation' | 'sampling' | 'roots') => boolean
}

/** A tool or prompt that asks its client something before it has a result. */
export interface Asking {
  readonly name: string
  readonly description: string
  readonly inputSchema?: Schema
  /** One function a round; a round with no questions is passed over. */
  readonly rounds: readonly ((input: RoundInput) => Asks)[]
  /** The text that results. */
  readonly text: (answers: Answers) => string
  /** Whether a server of the new era keeps a requestState between the rounds. */
  readonly state?: boolean
  /** Whether progress is reported before the question, which makes the new era answer with a stream. */
  readonly progress?: boolean
}

/** One red pixel, PNG. */
const image = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='

/** Two bytes of silence, WAV. */
const audio = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA='

const noArguments: Schema = { type: 'object', properties: {} }

/** A tool that always gives the same content. */
export interface PlainTool {
  readonly name: string
  readonly description: string
  readonly inputSchema: Schema
  readonly content: readonly Block[]
}

export const plainTools: readonly PlainTool[] = [
  {
    name: 'test_simple_text',
    description: 'Gives one text',
    inputSchema: noArguments,
    content: [{ type: 'text', text: 'A simple text.' }],
  },
  {
    name: 'test_image_content',
    description: 'Gives an image',
    inputSchema: noArguments,
    content: [{ type: 'image', data: image, mimeType: 'image/png' }],
  },
  {
    name: 'test_audio_content',
    description: 'Gives a sound',
    inputSchema: noArguments,
    content: [{ type: 'audio', data: audio, mimeType: 'audio/wav' }],
  },
  {
    name: 'test_embedded_resource',
    description: 'Gives a resource with its content',
    inputSchema: noArguments,
    content: [
      {
        type: 'resource',
        resource: { uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'An embedded resource.' },
      },
    ],
  },
  {
    name: 'test_multiple_content_types',
    description: 'Gives a text, an image and a resource',
    inputSchema: noArguments,
    content: [
      { type: 'text', text: 'Several kinds of content:' },
      { type: 'image', data: image, mimeType: 'image/png' },
      {
        type: 'resource',
        resource: { uri: 'test://mixed-content-resource', mimeType: 'application/json', text: '{"mixed":true}' },
      },
    ],
  },
  {
    // SEP-1613 and SEP-2106: every keyword of the dialect has to reach the client as it is.
    name: 'json_schema_2020_12_tool',
    description: 'Has a schema with keywords of JSON Schema 2020-12',
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: {
        address: {
          $anchor: 'addressDef',
          type: 'object',
          properties: { street: { type: 'string' }, city: { type: 'string' } },
        },
      },
      properties: {
        name: { type: 'string' },
        address: { $ref: '#/$defs/address' },
        contactMethod: { type: 'string', enum: ['phone', 'email'] },
        phone: { type: 'string' },
        email: { type: 'string' },
      },
      allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
      if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { required: ['phone'] },
      else: { required: ['email'] },
      additionalProperties: false,
    },
    content: [{ type: 'text', text: 'The arguments are valid.' }],
  },
  {
    // SEP-2243: the argument is repeated in the header Mcp-Param-Region.
    name: 'test_custom_header',
    description: 'Has an argument that is repeated in a header',
    inputSchema: {
      type: 'object',
      properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
      required: ['region'],
    },
    content: [{ type: 'text', text: 'The region is known.' }],
  },
]

/** A form with one field. */
const form = (message: string, field: string, type: 'string' | 'boolean' = 'string'): Ask => ({
  method: 'elicitation/create',
  params: { message, requestedSchema: { type: 'object', properties: { [field]: { type } }, required: [field] } },
})

const sample = (text: string, maxTokens = 100): Ask => ({
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text } }], maxTokens },
})

const roots: Ask = { method: 'roots/list', params: {} }

const field = (answer: Answers[string] | undefined, name: string): string =>
  String((answer?.content as { readonly [key: string]: unknown } | undefined)?.[name] ?? 'unknown')

const outcome = (answer: Answers[string] | undefined): string =>
  `action=${answer?.action}, content=${JSON.stringify(answer?.content ?? {})}`

const countRoots = (answer: Answers[string] | undefined): number =>
  Array.isArray(answer?.roots) ? answer.roots.length : 0

const titled = (...titles: readonly string[]) => titles.map((title, index) => ({ const: `value${index + 1}`, title }))
const options = ['option1', 'option2', 'option3']

/** Tools that ask; the first four are those of the old suite, the others those of the new one. */
export const askingTools: readonly Asking[] = [
  {
    name: 'test_sampling',
    description: "Asks the client's model",
    inputSchema: { type: 'object', properties: { prompt: { type: 'string' } }, required: ['prompt'] },
    rounds: [({ args }) => ({ answer: sample(String(args.prompt)) })],
    text: ({ answer }) => `LLM response: ${field(answer, 'text')}`,
  },
  {
    name: 'test_elicitation',
    description: 'Asks the user',
    inputSchema: { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] },
    rounds: [({ args }) => ({ answer: form(String(args.message), 'response') })],
    text: ({ answer }) => `User response: ${outcome(answer)}`,
  },
  {
    // SEP-1034
    name: 'test_elicitation_sep1034_defaults',
    description: 'Asks the user with a default for each kind of field',
    rounds: [
      () => ({
        answer: {
          method: 'elicitation/create',
          params: {
            message: 'Please look at the defaults',
            requestedSchema: {
              type: 'object',
              properties: {
                name: { type: 'string', default: 'John Doe' },
                age: { type: 'integer', default: 30 },
                score: { type: 'number', default: 95.5 },
                status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
                verified: { type: 'boolean', default: true },
              },
              required: [],
            },
          },
        },
      }),
    ],
    text: ({ answer }) => `Elicitation completed: ${outcome(answer)}`,
  },
  {
    // SEP-1330
    name: 'test_elicitation_sep1330_enums',
    description: 'Asks the user with each kind of choice',
    rounds: [
      () => ({
        answer: {
          method: 'elicitation/create',
          params: {
            message: 'Please choose',
            requestedSchema: {
              type: 'object',
              properties: {
                untitledSingle: { type: 'string', enum: options },
                titledSingle: { type: 'string', oneOf: titled('First Option', 'Second Option', 'Third Option') },
                legacyEnum: {
                  type: 'string',
                  enum: ['opt1', 'opt2', 'opt3'],
                  enumNames: ['Option One', 'Option Two', 'Option Three'],
                },
                untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
                titledMulti: {
                  type: 'array',
                  items: { anyOf: titled('First Choice', 'Second Choice', 'Third Choice') },
                },
              },
              required: [],
            },
          },
        },
      }),
    ],
    text: ({ answer }) => `Elicitation completed: ${outcome(answer)}`,
  },
  {
    name: 'test_input_required_result_elicitation',
    description: 'Asks for a name',
    rounds: [() => ({ user_name: form('What is your name?', 'name') })],
    text: ({ user_name }) => `Hello, ${field(user_name, 'name')}!`,
  },
  {
    name: 'test_input_required_result_sampling',
    description: "Asks the client's model for a capital",
    rounds: [() => ({ capital_question: sample('What is the capital of France?') })],
    text: ({ capital_question }) => `The model says: ${field(capital_question, 'text')}`,
  },
  {
    name: 'test_input_required_result_list_roots',
    description: 'Asks for the roots',
    rounds: [() => ({ client_roots: roots })],
    text: ({ client_roots }) => `There are ${countRoots(client_roots)} roots`,
  },
  {
    name: 'test_input_required_result_request_state',
    description: 'Asks for a confirmation and keeps state',
    rounds: [() => ({ confirm: form('Please confirm', 'ok', 'boolean') })],
    text: ({ confirm }) => `state-ok: confirmed=${field(confirm, 'ok')}`,
    state: true,
  },
  {
    name: 'test_input_required_result_multiple_inputs',
    description: 'Asks three things at once',
    rounds: [
      () => ({
        user_name: form('What is your name?', 'name'),
        greeting: sample('Make a greeting', 50),
        client_roots: roots,
      }),
    ],
    text: ({ user_name, greeting, client_roots }) =>
      `${field(greeting, 'text')} ${field(user_name, 'name')}, with ${countRoots(client_roots)} roots`,
    state: true,
  },
  {
    name: 'test_input_required_result_multi_round',
    description: 'Asks two things, one after the other',
    rounds: [
      () => ({ step1: form('Step 1: What is your name?', 'name') }),
      () => ({ step2: form('Step 2: What is your favourite colour?', 'color') }),
    ],
    text: ({ step1, step2 }) => `${field(step1, 'name')} likes ${field(step2, 'color')}`,
    state: true,
  },
  {
    name: 'test_input_required_result_tampered_state',
    description: 'Asks for a confirmation and keeps state that nobody may change',
    rounds: [() => ({ confirm: form('Please confirm', 'ok', 'boolean') })],
    text: () => 'integrity-ok',
    state: true,
  },
  {
    name: 'test_input_required_result_capabilities',
    description: 'Asks only for what the client can answer',
    rounds: [
      ({ can }) => ({
        ...(can('elicitation') && { elicit_input: form('Any value', 'value') }),
        ...(can('sampling') && { sample_input: sample('Anything', 50) }),
      }),
    ],
    text: (answers) => `capabilities-ok: ${Object.keys(answers).join(',')}`,
    state: true,
  },
  {
    name: 'test_missing_capability',
    description: "Cannot do without the client's model",
    rounds: [() => ({ answer: sample('Say yes') })],
    text: ({ answer }) => `The model says: ${field(answer, 'text')}`,
  },
  {
    name: 'test_streaming_elicitation',
    description: 'Reports progress, then asks',
    rounds: [() => ({ user_name: form('What is your name?', 'name') })],
    text: ({ user_name }) => `Hello, ${field(user_name, 'name')}!`,
    progress: true,
  },
]

/** The prompt that asks. */
export const askingPrompt: Asking = {
  name: 'test_input_required_result_prompt',
  description: 'Asks for a context',
  rounds: [() => ({ user_context: form('Which context?', 'context') })],
  text: ({ user_context }) => `With the context: ${field(user_context, 'context')}`,
}

/** The messages that the tool with logging writes, in order. */
export const logMessages: readonly string[] = ['started', 'working', 'done']

/** The steps that the tool with progress reports, of 100. */
export const progressSteps: readonly number[] = [0, 50, 100]

/** Tools whose code is the server's own, because the eras have different ways to do it. */
export const ownTools = {
  log: { name: 'test_tool_with_logging', description: 'Writes to the log', inputSchema: noArguments },
  logQuietly: { name: 'test_logging_tool', description: 'Writes to the log if asked to', inputSchema: noArguments },
  progress: { name: 'test_tool_with_progress', description: 'Reports progress', inputSchema: noArguments },
  fail: { name: 'test_error_handling', description: 'Always fails', inputSchema: noArguments },
  toolsChange: { name: 'test_trigger_tool_change', description: 'Says that tools changed', inputSchema: noArguments },
  promptsChange: {
    name: 'test_trigger_prompt_change',
    description: 'Says that prompts changed',
    inputSchema: noArguments,
  },
  resourceChange: {
    name: 'test_trigger_resource_update',
    description: 'Says that the watched resource changed',
    inputSchema: noArguments,
  },
} as const

export const failure = 'This tool always fails.'

/** A resource of fixed content. */
export interface PlainResource {
  readonly uri: string
  readonly name: string
  readonly description: string
  readonly mimeType: string
  readonly content: { readonly text: string } | { readonly blob: string }
}

export const watched = 'test://watched-resource'

export const resources: readonly PlainResource[] = [
  {
    uri: 'test://static-text',
    name: 'static-text',
    description: 'A text',
    mimeType: 'text/plain',
    content: { text: 'The content of the text resource.' },
  },
  {
    uri: 'test://static-binary',
    name: 'static-binary',
    description: 'An image',
    mimeType: 'image/png',
    content: { blob: image },
  },
  {
    uri: watched,
    name: 'watched-resource',
    description: 'A text that can be watched',
    mimeType: 'text/plain',
    content: { text: 'The content of the watched resource.' },
  },
]

export const template = {
  uriTemplate: 'test://template/{id}/data',
  name: 'template',
  description: 'A resource for each id',
  mimeType: 'application/json',
} as const

/** The content of a resource of the template, or undefined if the URI is none. */
export function templated(uri: string): { uri: string; mimeType: string; text: string } | undefined {
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1]
  return id === undefined ? undefined : { uri, mimeType: template.mimeType, text: JSON.stringify({ id }) }
}

/** A prompt that asks nothing. */
export interface PlainPrompt {
  readonly name: string
  readonly description: string
  readonly arguments: readonly { readonly name: string; readonly description: string; readonly required: true }[]
  readonly content: (args: { readonly [name: string]: string }) => readonly Block[]
}

const required = (name: string) => ({ name, description: `The value of ${name}`, required: true }) as const

export const prompts: readonly PlainPrompt[] = [
  {
    name: 'test_simple_prompt',
    description: 'One message',
    arguments: [],
    content: () => [{ type: 'text', text: 'A simple prompt.' }],
  },
  {
    name: 'test_prompt_with_arguments',
    description: 'Repeats its arguments',
    arguments: [required('arg1'), required('arg2')],
    content: ({ arg1, arg2 }) => [{ type: 'text', text: `arg1='${arg1}', arg2='${arg2}'` }],
  },
  {
    name: 'test_prompt_with_embedded_resource',
    description: 'Has a resource with its content',
    arguments: [required('resourceUri')],
    content: ({ resourceUri }) => [
      { type: 'resource', resource: { uri: resourceUri, mimeType: 'text/plain', text: 'An embedded resource.' } },
      { type: 'text', text: 'Please read the resource.' },
    ],
  },
  {
    name: 'test_prompt_with_image',
    description: 'Has an image',
    arguments: [],
    content: () => [
      { type: 'image', data: image, mimeType: 'image/png' },
      { type: 'text', text: 'Please look at the image.' },
    ],
  },
]

/** Completions for an argument: those of these that begin with what is there. */
export const completions: readonly string[] = ['paris', 'park', 'party']
