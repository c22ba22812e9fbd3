import { LLMock } from '@copilotkit/aimock'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'
import { upstream } from './harness.ts'

const mock = new LLMock({ port: 0, logLevel: 'silent', chunkSize: 3 })
const card = '4111 1111 1111 1111'
let gateway: TestGateway
let client: OpenAI
let webhook: Awaited<ReturnType<typeof upstream>>
/** A provider that has the legacy completions API itself. */
let legacy: Awaited<ReturnType<typeof upstream>>

beforeAll(async () => {
  process.env.GUARDS_KEY = 'sk-provider'
  mock.onMessage(/\[CARD_1\]/, { content: 'I have charged [CARD_1] as you asked.' })
  mock.onMessage('whose card', { content: `It is ${card}, of ann@example.com.` })
  mock.onMessage(
    'be rude',
    { content: `${'A polite sentence. '.repeat(40)}A rude sentence. ${'The end. '.repeat(60)}` },
    // Slow enough that the first windows are on their way before the rude one is written.
    { chunkSize: 20, latency: 4 } as never,
  )
  mock.onMessage('hello', { content: 'Hello.' })
  await mock.start()
  webhook = await upstream((request, response) => {
    let body = ''
    request.on('data', (piece) => {
      body += piece
    })
    request.on('end', () => {
      const rude = (JSON.parse(body).texts as string[]).some((text) => text.includes('rude'))
      response.end(JSON.stringify(rude ? { action: 'deny', message: 'It is rude.' } : { action: 'pass' }))
    })
  })
  legacy = await upstream((request, response) => {
    let body = ''
    request.on('data', (piece) => {
      body += piece
    })
    request.on('end', () => {
      const { prompt, stream } = JSON.parse(body) as { prompt: string; stream?: boolean }
      const text = prompt.includes('whose card')
        ? `It is ${card}, of ann@example.com.`
        : prompt.includes('rude')
          ? 'A rude sentence.'
          : `I have charged ${/\[CARD_1\]/.exec(prompt)?.[0]} as you asked.`
      const head = { id: 'cmpl-1', object: 'text_completion', created: 7, model: 'old' }
      const usage = { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 }
      const choice = (said: string, finish_reason: string | null) => ({
        ...{ index: 0, text: said, logprobs: { tokens: [said] }, finish_reason },
      })
      if (!stream) {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ ...head, choices: [choice(text, 'stop')], usage }))
        return
      }
      response.setHeader('content-type', 'text/event-stream')
      const say = (choices: object[]) => response.write(`data: ${JSON.stringify({ ...head, choices })}\n\n`)
      for (const piece of text.match(/.{1,3}/g) ?? []) say([choice(piece, null)])
      say([choice('', 'stop')])
      response.end(`data: ${JSON.stringify({ ...head, choices: [], usage })}\n\ndata: [DONE]\n\n`)
    })
  })
  gateway = await startGateway({
    providers: {
      legacy: { type: 'openai', baseUrl: `${legacy.url}/v1`, apiKey: '${env:GUARDS_KEY}' },
      openai: { type: 'openai', baseUrl: `${mock.url}/v1`, apiKey: '${env:GUARDS_KEY}' },
      anthropic: { type: 'anthropic', baseUrl: mock.url, apiKey: '${env:GUARDS_KEY}' },
    },
    models: {
      plain: { targets: [{ provider: 'openai' }] },
      legacy: { targets: [{ provider: 'legacy' }] },
      masked: { targets: [{ provider: 'openai' }] },
      translated: { targets: [{ provider: 'anthropic', model: 'claude-sonnet-4-5' }] },
      strict: { targets: [{ provider: 'openai' }] },
      asked: { targets: [{ provider: 'openai' }] },
      'asked-legacy': { targets: [{ provider: 'legacy' }] },
    },
    guards: {
      cards: {
        detect: ['card'],
        action: 'mask',
        restore: true,
        on: ['request'],
        when: 'model in ["masked", "translated", "legacy"]',
      },
      answers: {
        detect: ['card', 'email'],
        action: 'mask',
        on: ['response'],
        when: 'model in ["masked", "translated", "legacy"]',
      },
      secrets: { detect: ['secret', 'card'], action: 'deny', when: 'model == "strict"', message: 'Use the vault.' },
      manners: {
        webhook: { url: webhook.url },
        action: 'deny',
        on: ['response'],
        when: 'model in ["asked", "asked-legacy"]',
      },
    },
  })
  client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'unused', maxRetries: 0 })
})

afterAll(async () => {
  await gateway?.stop()
  await webhook?.close()
  await legacy?.close()
  await mock.stop()
})

const ask = async (model: string, content: string) =>
  (await client.chat.completions.create({ model, messages: [{ role: 'user', content }] })).choices[0]?.message.content

async function streamed(model: string, content: string): Promise<string> {
  let text = ''
  const stream = await client.chat.completions.create({ model, messages: [{ role: 'user', content }], stream: true })
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
  return text
}
const sent = () => JSON.stringify(mock.getLastRequest()!.body)

test.each(['masked', 'translated'])(
  '%s: the provider sees a placeholder, and the answer has the number again',
  async (model) => {
    expect(await ask(model, `charge ${card}`)).toBe(`I have charged ${card} as you asked.`)
    expect(sent()).toContain('charge [CARD_1]')
    expect(sent()).not.toContain('4111')
    expect(await streamed(model, `charge ${card}`)).toBe(`I have charged ${card} as you asked.`)
  },
)

test.each(['masked', 'translated'])(
  '%s: what the model says is masked, whole and in pieces of a stream',
  async (model) => {
    const masked = 'It is [CARD_1], of [EMAIL_1].'
    expect(await ask(model, 'whose card')).toBe(masked)
    expect(await streamed(model, 'whose card')).toBe(masked)
    expect(gateway.found).toContainEqual({ guard: 'answers', label: 'EMAIL', action: 'mask' })
  },
)

test('a prompt that is refused reaches no provider, and the error names guard and kind', async () => {
  const before = mock.getRequests().length
  const error = (await ask('strict', `my card is ${card}`).catch((thrown) => thrown)) as InstanceType<
    typeof OpenAI.APIError
  >
  expect(error).toMatchObject({ status: 403, code: 'guard_denied' })
  expect(error.message).toContain('The guard secrets of this gateway lets no card numbers pass. Use the vault.')
  expect(error.message).not.toContain('4111')
  expect(mock.getRequests().length).toBe(before)
  expect(gateway.refusals.at(-1)).toMatchObject({ code: 'guard_denied', rule: 'guards.secrets' })
})

test('an answer that is refused is an error, and a stream ends where it becomes one', async () => {
  await expect(ask('strict', 'whose card')).rejects.toMatchObject({ status: 403, code: 'guard_denied' })
  expect(await ask('strict', 'hello')).toBe('Hello.')
  let text = ''
  await expect(
    (async () => {
      const stream = await client.chat.completions.create({
        model: 'asked',
        messages: [{ role: 'user', content: 'be rude' }],
        stream: true,
      })
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    })(),
  ).rejects.toThrow(/It is rude/)
  expect(text).toContain('A polite sentence.')
  expect(text).not.toContain('rude')
  await expect(ask('asked', 'be rude')).rejects.toMatchObject({ status: 403, code: 'guard_denied' })
})

test.each(['legacy', 'translated'])('legacy completions are looked at: %s', async (model) => {
  const { choices, usage } = await client.completions.create({ model, prompt: `Charge ${card}` })
  expect(choices[0]).toMatchObject({ finish_reason: 'stop', logprobs: null })
  expect(choices[0]!.text).toBe(`I have charged ${card} as you asked.`)
  if (model === 'legacy') expect(usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 5 })
  const whole = await client.completions.create({ model, prompt: 'whose card' })
  let text = ''
  let finish: string | null = null
  const stream = await client.completions.create({ model, prompt: 'whose card', stream: true })
  for await (const chunk of stream)
    for (const choice of chunk.choices) {
      text += choice.text
      finish = choice.finish_reason ?? finish
    }
  for (const said of [text, whole.choices[0]!.text]) {
    expect(said).toMatch(/^It is \[CARD_1\], of \[EMAIL_1\]\.$/)
  }
  expect(finish).toBe('stop')
})

test('a guard that denies ends a legacy completion as its API has it', async () => {
  await expect(client.completions.create({ model: 'asked-legacy', prompt: 'be rude' })).rejects.toMatchObject({
    ...{ status: 403, code: 'guard_denied' },
  })
  const denied = async () => {
    const stream = await client.completions.create({ model: 'asked-legacy', prompt: 'be rude', stream: true })
    for await (const chunk of stream) expect(chunk.choices.map(({ text }) => text).join('')).not.toContain('rude')
  }
  await expect(denied()).rejects.toThrow(/It is rude/)
})

test('usage is counted, whatever guards do', async () => {
  const { response } = await client.chat.completions
    .create({ model: 'masked', messages: [{ role: 'user', content: 'hello' }] })
    .withResponse()
  const record = await gateway.recordOf(response.headers.get('x-request-id')!)
  expect(record.usage?.output).toBeGreaterThan(0)
})

test('requests that no guard is for go through as they are', async () => {
  expect(await ask('plain', 'whose card')).toContain(card)
})
