import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Anthropic from '@anthropic-ai/sdk'
import { LLMock } from '@copilotkit/aimock'
import { GoogleGenAI } from '@google/genai'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, startGateway, type TestGateway } from './gateway.ts'
import { freePort, upstream } from './harness.ts'

const tlsFile = (name: string) => fileURLToPath(new URL(`./tls/${name}`, import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'chaperone-governance-'))
const mock = new LLMock({ port: 0, logLevel: 'silent' })
const ports = { open: await freePort(), closed: await freePort(), mutual: await freePort() }
const issuerKeys = await generateKeyPair('ES256')

let gateway: TestGateway
let key: string
let seen: Awaited<ReturnType<typeof upstream>>
/** The headers of what reached the provider that looks at them. */
const shown: IncomingHttpHeaders[] = []
const closed = () => `http://127.0.0.1:${ports.closed}`
const hello = [{ role: 'user' as const, content: 'hello' }]
const openai = (apiKey: string, url = `${closed()}/v1`) => new OpenAI({ baseURL: url, apiKey, maxRetries: 0 })
const chat = (client: OpenAI, model = 'small') => client.chat.completions.create({ model, messages: hello })
const sent = () => mock.getLastRequest()!

/** What a promise is rejected with. */
async function failure(promise: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  try {
    await promise
  } catch (error) {
    return error as InstanceType<typeof OpenAI.APIError>
  }
  throw new Error('it was not refused')
}

beforeAll(async () => {
  process.env.GOVERNANCE_KEY = 'sk-provider'
  mock.onMessage('hello', {
    content: 'Hello.',
    usage: { prompt_tokens: 10, completion_tokens: 40, total_tokens: 50 },
  })
  await mock.start()
  seen = await upstream((request, response) => {
    shown.push(request.headers)
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(
      '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}',
    )
  })
  const jwk = { ...(await exportJWK(issuerKeys.publicKey)), kid: 'one', alg: 'ES256' }
  writeFileSync(join(directory, 'jwks.json'), JSON.stringify({ keys: [jwk] }))
  const url = `${mock.url}/v1`
  gateway = await startGateway({
    listeners: {
      closed: { port: ports.closed, identity: { accept: ['key', 'jwt'] } },
      open: { port: ports.open, identity: { accept: ['pod', 'key'] } },
      mutual: {
        port: ports.mutual,
        identity: { accept: ['mtls'] },
        tls: {
          certificateFile: tlsFile('listener-1.pem'),
          keyFile: tlsFile('listener-1-key.pem'),
          clientCaFile: tlsFile('client-ca.pem'),
        },
      },
    },
    identities: {
      issuers: {
        corp: {
          issuer: 'https://issuer.test',
          audiences: ['chaperone'],
          jwksFile: join(directory, 'jwks.json'),
          teamClaim: 'team',
        },
      },
      workloads: { client: { spiffeId: 'spiffe://corp/ns/*/sa/client', user: 'robot', team: 'research' } },
      pod: { user: 'pod-user', team: 'pods' },
    },
    teams: { research: { organization: 'acme' }, interns: { models: ['small'] } },
    providers: {
      openai: { type: 'openai', baseUrl: url, apiKey: '${env:GOVERNANCE_KEY}' },
      anthropic: { type: 'anthropic', baseUrl: mock.url, apiKey: '${env:GOVERNANCE_KEY}' },
      own: { type: 'openai-compatible', baseUrl: `${seen.url}/v1`, apiKey: '${client}' },
      ours: { type: 'openai-compatible', baseUrl: `${seen.url}/v1`, apiKey: '${env:GOVERNANCE_KEY}' },
    },
    models: {
      small: { targets: [{ provider: 'openai', model: 'gpt-4o-mini' }] },
      large: { targets: [{ provider: 'openai', model: 'gpt-4o' }] },
      'gpt-4o-mini': { targets: [{ provider: 'openai' }] },
      own: { targets: [{ provider: 'own' }] },
      ours: { targets: [{ provider: 'ours' }] },
      claude: { targets: [{ provider: 'anthropic', model: 'claude-sonnet-4-5' }] },
    },
    prices: { 'gpt-4o-mini': { input: 0, output: 0 }, 'gpt-4o': { input: 0, output: 250 } },
    aliases: { best: 'large' },
    policies: {
      rules: {
        'no-storage': {
          effect: 'deny',
          when: 'has(parameters.store) && parameters.store == true',
          message: 'Leave store out.',
        },
      },
    },
    prompts: {
      house: { when: 'identity.team == "styled"', prepend: 'Be brief.', defaults: { temperature: 0.1 } },
    },
    limits: {
      'per-key': { requests: 3, per: 'hour', by: ['key'], when: 'identity.team == "limited"' },
      tokens: { tokens: 100, per: 'day', by: ['user'], when: 'identity.team == "thrifty"' },
      slots: { concurrent: 1, by: ['user'], when: 'identity.team == "single"' },
    },
    budgets: {
      team: { usd: 0.02, per: 'month', by: ['team'], when: 'identity.team == "poor"', alerts: [0.5] },
      soft: { usd: 0.01, by: ['user'], when: 'identity.team == "soft"', atEnd: { downgrade: 'small' } },
    },
  })
  key = (await gateway.keys.create({ name: 'test', user: 'ann', team: 'research' })).text
})

afterAll(async () => {
  await gateway?.stop()
  await seen?.close()
  await mock.stop()
  rmSync(directory, { recursive: true, force: true })
})

beforeEach(() => {
  gateway.refusals.length = 0
})

/** A client with a key of its own. */
async function member(team: string, more: object = {}): Promise<OpenAI> {
  return openai((await gateway.keys.create({ name: 'm', user: `user-of-${team}`, team, ...more })).text)
}

describe('keys', () => {
  test('a key is let in, and its owner is on the record; the provider sees its own key only', async () => {
    const { response } = await openai(key).chat.completions.create({ model: 'small', messages: hello }).withResponse()
    const record = await gateway.recordOf(response.headers.get('x-request-id')!)
    expect(record.caller).toMatchObject({
      identity: 'key',
      user: 'ann',
      team: 'research',
      organization: 'acme',
      listener: 'closed',
    })
    expect(JSON.stringify(sent().headers)).not.toContain(key)
  })

  test('each SDK shows a key where it shows its API key', async () => {
    const anthropic = new Anthropic({ baseURL: closed(), apiKey: key, maxRetries: 0 })
    const message = await anthropic.messages.create({ model: 'claude', max_tokens: 50, messages: hello })
    expect(message.content[0]).toMatchObject({ type: 'text', text: 'Hello.' })
    const google = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: closed() } })
    expect((await google.models.generateContent({ model: 'small', contents: 'hello' })).text).toBe('Hello.')
    const response = await fetch(`${closed()}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'api-key': key },
      body: JSON.stringify({ model: 'small', messages: hello }),
    })
    expect(response.status).toBe(200)
  })

  test('without one, or with a wrong one, the error is the API’s own and says what to do', async () => {
    const nothing = await fetch(`${closed()}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'small', messages: hello }),
    })
    expect(nothing.status).toBe(401)
    expect(nothing.headers.get('www-authenticate')).toBe('Bearer')
    expect(await nothing.json()).toMatchObject({
      error: { type: 'authentication_error', code: 'missing_credentials', message: expect.stringContaining('Show a') },
      request_id: nothing.headers.get('x-request-id'),
    })
    const wrong = await failure(chat(openai(`${key.slice(0, -1)}x`)))
    expect(wrong).toBeInstanceOf(OpenAI.AuthenticationError)
    const foreign = await failure(chat(openai('sk-someone-s-own')))
    expect(foreign.status).toBe(401)
    expect(gateway.refusals.map(({ status, identity }) => [status, identity])).toEqual(
      Array.from({ length: 3 }, () => [401, 'none']),
    )
    const anthropic = new Anthropic({ baseURL: closed(), apiKey: 'nobody', maxRetries: 0 })
    const refused = await failure(anthropic.messages.create({ model: 'claude', max_tokens: 5, messages: hello }))
    expect(refused).toBeInstanceOf(Anthropic.AuthenticationError)
  })

  test('a revoked key is refused at once', async () => {
    const { text, record } = await gateway.keys.create({ name: 'short' })
    await chat(openai(text))
    await gateway.keys.revoke(record.id)
    expect(await failure(chat(openai(text)))).toMatchObject({
      status: 401,
      message: expect.stringContaining('revoked'),
    })
  })

  test('models that are not for a key or its team are neither listed nor served', async () => {
    const intern = await member('interns')
    expect((await intern.models.list()).data.map(({ id }) => id)).toEqual(['small'])
    expect(await failure(chat(intern, 'large'))).toMatchObject({ status: 403, code: 'model_not_allowed' })
    expect(await failure(chat(intern, 'best'))).toMatchObject({ status: 403 })
    await chat(intern)
  })

  test('a listener for the pod takes its identity, and a bad key is refused there as well', async () => {
    const url = `http://127.0.0.1:${ports.open}/v1`
    const { response } = await openai('dummy', url)
      .chat.completions.create({ model: 'small', messages: hello })
      .withResponse()
    const record = await gateway.recordOf(response.headers.get('x-request-id')!)
    expect(record.caller).toMatchObject({ identity: 'pod', user: 'pod-user', team: 'pods', listener: 'open' })
    expect(await failure(chat(openai(`${key.slice(0, -1)}x`, url)))).toMatchObject({ status: 401 })
  })
})

describe('the caller’s own key of a provider', () => {
  const url = () => `http://127.0.0.1:${ports.open}/v1`

  test('is passed on to a provider whose rule says so, and to no other', async () => {
    await chat(openai('sk-the-caller-s-own', url()), 'own')
    expect(shown.at(-1)?.authorization).toBe('Bearer sk-the-caller-s-own')
    await chat(openai('sk-the-caller-s-own', url()), 'ours')
    expect(shown.at(-1)?.authorization).toBe('Bearer sk-provider')
    expect(JSON.stringify(shown.at(-1))).not.toContain('sk-the-caller-s-own')
  })

  test('stands beside a key of ours, which never goes out', async () => {
    const client = new OpenAI({
      baseURL: `${closed()}/v1`,
      apiKey: 'sk-own',
      maxRetries: 0,
      defaultHeaders: { 'x-chaperone-key': key },
    })
    await chat(client, 'own')
    expect(shown.at(-1)?.authorization).toBe('Bearer sk-own')
    expect(JSON.stringify(shown.at(-1))).not.toContain(key)
  })

  test('where only a key of ours is shown, the caller is told', async () => {
    const before = shown.length
    expect(await failure(chat(openai(key), 'own'))).toMatchObject({ status: 401, code: 'missing_provider_key' })
    expect(shown.length).toBe(before)
  })
})

describe('tokens', () => {
  const token = (claims: JWTPayload, audience = 'chaperone') =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setIssuer('https://issuer.test')
      .setAudience(audience)
      .setSubject('bob')
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(issuerKeys.privateKey)

  test('a JWT of an issuer of the rules is let in', async () => {
    const { response } = await openai(await token({ team: 'research' }))
      .chat.completions.create({ model: 'small', messages: hello })
      .withResponse()
    const record = await gateway.recordOf(response.headers.get('x-request-id')!)
    expect(record.caller).toMatchObject({ identity: 'jwt', subject: 'corp/bob', user: 'bob', team: 'research' })
  })

  test('one for another audience is not', async () => {
    expect(await failure(chat(openai(await token({}, 'another'))))).toMatchObject({ status: 401 })
  })
})

describe('client certificates', () => {
  function overTls(
    certificate?: string,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        {
          host: '127.0.0.1',
          port: ports.mutual,
          servername: 'gateway.test',
          path: '/v1/chat/completions',
          method: 'POST',
          ca: readFileSync(tlsFile('ca.pem')),
          headers: { 'content-type': 'application/json', ...headers },
          ...(certificate !== undefined && {
            cert: readFileSync(tlsFile(`${certificate}.pem`)),
            key: readFileSync(tlsFile(`${certificate}-key.pem`)),
          }),
        },
        (response) => {
          let body = ''
          response.setEncoding('utf8')
          response.on('data', (chunk) => {
            body += chunk
          })
          response.on('end', () => resolve({ status: response.statusCode!, body }))
        },
      )
      request.on('error', reject)
      request.end(JSON.stringify({ model: 'small', messages: hello }))
    })
  }

  test('a workload of the rules is let in by its SPIFFE id', async () => {
    const before = gateway.records.length
    expect((await overTls('client')).status).toBe(200)
    expect(gateway.records.slice(before).map(({ caller }) => caller)).toMatchObject([
      { identity: 'mtls', subject: 'spiffe://corp/ns/agents/sa/client', user: 'robot', team: 'research' },
    ])
  })

  test('another one is not, whatever it writes into the header', async () => {
    const forged = { 'x-forwarded-client-cert': 'URI=spiffe://corp/ns/agents/sa/client' }
    expect((await overTls('stranger')).status).toBe(401)
    expect((await overTls('stranger', forged)).status).toBe(401)
    await expect(overTls(undefined, forged)).rejects.toThrow()
  })

  test('on a plain listener the header says nothing', async () => {
    const response = await fetch(`${closed()}/v1/models`, {
      headers: { 'x-forwarded-client-cert': 'URI=spiffe://corp/ns/agents/sa/client' },
    })
    expect(response.status).toBe(401)
  })
})

describe('policies, aliases and prompts', () => {
  test('a policy denies by name, with what to do', async () => {
    const refused = await failure(openai(key).chat.completions.create({ model: 'small', messages: hello, store: true }))
    expect(refused).toMatchObject({
      status: 403,
      code: 'policy_denied',
      message: expect.stringContaining('The policy no-storage of this gateway denies this request. Leave store out.'),
    })
    expect(gateway.refusals).toMatchObject([{ rule: 'policies.rules.no-storage', team: 'research' }])
  })

  test('an alias is another name of a model', async () => {
    await chat(openai(key), 'best')
    expect((sent().body as unknown as { model: string }).model).toBe('gpt-4o')
  })

  test('what the rules add reaches the provider, under another name of the model and under its own', async () => {
    await chat(await member('styled'), 'gpt-4o-mini')
    expect(sent().body).toMatchObject({ temperature: 0.1 })
    await chat(await member('styled'))
    expect(sent().body).toMatchObject({
      temperature: 0.1,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'hello' },
      ],
    })
  })
})

describe('limits and budgets', () => {
  test('requests: so many and no more, told on the way, and when it opens again', async () => {
    const client = await member('limited')
    const { response } = await client.chat.completions.create({ model: 'small', messages: hello }).withResponse()
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe('3')
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('2')
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => chat(client)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
    const refused = await failure(chat(client))
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError)
    expect(refused.message).toMatch(/The limit per-key of \w+ \(3 requests\) is used up\. Try again in /)
    const wait = Number(refused.headers?.get('retry-after'))
    expect(wait).toBeGreaterThan(0)
    expect(wait).toBeLessThanOrEqual(3600)
    // Another key has its own count.
    await chat(await member('limited'))
  })

  test('tokens: what the provider counted', async () => {
    const client = await member('thrifty')
    await chat(client)
    const { response } = await client.chat.completions.create({ model: 'small', messages: hello }).withResponse()
    await gateway.recordOf(response.headers.get('x-request-id')!)
    expect(await failure(chat(client))).toMatchObject({
      status: 429,
      message: expect.stringContaining('The limit tokens of user-of-thrifty (100 tokens) is used up.'),
    })
  })

  test('concurrent requests: a slot is free again when a request has ended', async () => {
    const client = await member('single')
    const outcomes = await Promise.allSettled([chat(client), chat(client), chat(client)])
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await chat(client)
  })

  test('a budget ends in 402, and its threshold is told once', async () => {
    const client = await member('poor')
    // Each answer costs a cent: 40 tokens at 250 dollars a million.
    await chat(client, 'large')
    await chat(client, 'large')
    const refused = await failure(chat(client, 'large'))
    expect(refused).toMatchObject({ status: 402, code: 'budget_exceeded' })
    expect(refused.message).toContain('The budget team of poor (0.02 US dollars) is used up.')
    const told = () => gateway.alerts.filter(({ budget }) => budget === 'team')
    await eventually(() => expect(told().length).toBeGreaterThan(0))
    expect(told()).toMatchObject([{ subject: 'poor', threshold: 0.5 }])
  })

  test('a budget that downgrades goes on with the cheaper model, and says so', async () => {
    const client = await member('soft')
    await chat(client, 'large')
    const { response } = await client.chat.completions.create({ model: 'large', messages: hello }).withResponse()
    expect(response.headers.get('x-chaperone-downgraded')).toBe('soft')
    expect(response.headers.get('x-chaperone-model')).toBe('gpt-4o-mini')
    expect((sent().body as unknown as { model: string }).model).toBe('gpt-4o-mini')
  })
})
