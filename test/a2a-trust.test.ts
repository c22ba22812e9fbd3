import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AgentCard, generateAgentCardSignature, verifyAgentCardSignature } from '@a2a-js/sdk'
import { DefaultAgentCardResolver } from '@a2a-js/sdk/client'
import { exportJWK, exportPKCS8, generateKeyPair, type JWK, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RulesInput, rulesSchema } from '../src/config/schema.ts'
import { startAgent, type TestAgent } from './a2a/agent.ts'
import { grpcCall } from './a2a/grpc-call.ts'
import { startGateway, type TestGateway } from './gateway.ts'
import { freePort, upstream } from './harness.ts'

/** Whom the gateway believes, and what it shows to whom: cards that are signed, tokens towards agents, tasks of teams. */

let gateway: TestGateway
let agent: TestAgent
let strict: TestAgent
let login: Awaited<ReturnType<typeof upstream>>
const directory = mkdtempSync(join(tmpdir(), 'chaperone-trust-'))
const keys: Record<string, string> = {}
/** What the token endpoint was asked for. */
const asked: URLSearchParams[] = []
let callerToken: string

/** A card in a file, signed with a key, and changed afterwards. */
async function cardFile(name: string, sign: boolean, change: object = {}): Promise<string> {
  const card = await new DefaultAgentCardResolver().resolve(agent.url)
  const json = (sign ? await signer(card) : card) as unknown as { supportedInterfaces: object[] }
  const file = join(directory, `${name}.json`)
  writeFileSync(file, JSON.stringify({ ...json, ...change }))
  return file
}
let signer: (card: AgentCard) => Promise<AgentCard>

beforeAll(async () => {
  agent = await startAgent([['JSONRPC', '1.0']])
  strict = await startAgent([['GRPC', '1.0']], 's3cret')
  login = await upstream((request, response) => {
    let body = ''
    request.on('data', (piece) => {
      body += piece
    })
    request.on('end', () => {
      asked.push(new URLSearchParams(body))
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({
          access_token: 's3cret',
          token_type: 'Bearer',
          issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          expires_in: 300,
        }),
      )
    })
  })
  const trusted = await generateKeyPair('ES256', { extractable: true })
  const keysFile = join(directory, 'keys.json')
  const publicKey = { ...(await exportJWK(trusted.publicKey)), kid: 'agent-1', alg: 'ES256' }
  writeFileSync(keysFile, JSON.stringify({ keys: [publicKey] }))
  signer = generateAgentCardSignature(trusted.privateKey as never, { alg: 'ES256', kid: 'agent-1', typ: 'JOSE' })
  const own = await generateKeyPair('ES256', { extractable: true })
  const signingKey = join(directory, 'own.pem')
  writeFileSync(signingKey, await exportPKCS8(own.privateKey))
  callerToken = await new SignJWT({ sub: 'ann' })
    .setProtectedHeader({ alg: 'ES256', kid: 'agent-1' })
    .setIssuer('https://login.example')
    .setAudience('agents')
    .setExpirationTime('5m')
    .sign(trusted.privateKey)

  const signed = (file: string, more: object = {}) => ({
    url: agent.url,
    card: { file, keys: { file: keysFile, ...more } },
  })
  const endpoint = { tokenUrl: `${login.url}/token`, clientId: 'gateway', clientSecret: '${env:A2A_LOGIN_SECRET}' }
  process.env.A2A_LOGIN_SECRET = 'shh'
  const input: RulesInput = {
    listeners: { default: { port: await freePort(), identity: { accept: ['key', 'jwt'] } } },
    identities: { issuers: { corp: { issuer: 'https://login.example', audiences: ['agents'], jwksFile: keysFile } } },
    teams: { red: {}, blue: {} },
    a2a: {
      signer: { keyFile: signingKey, id: 'gateway-1' },
      taskOwner: 'team',
      agents: {
        trusted: signed(await cardFile('trusted', true)),
        changed: signed(await cardFile('changed', true, { name: 'Impostor' })),
        unsigned: signed(await cardFile('unsigned', false)),
        lenient: signed(await cardFile('unsigned', false), { require: false }),
        robot: { url: strict.url, hosts: [strict.grpc], credential: { type: 'client-credentials', ...endpoint } },
        exchanged: {
          url: strict.url,
          hosts: [strict.grpc],
          credential: { type: 'token-exchange', ...endpoint, audience: 'strict' },
        },
      },
    },
    policies: {
      rules: {
        hidden: { effect: 'deny', when: 'agent.name == "trusted" && identity.team == "blue"' },
        loner: {
          effect: 'deny',
          when: 'agent.from == "robot" && agent.name == "lenient"',
          message: 'Robots stay away.',
        },
      },
    },
    http: {
      routes: [{ name: 'own-host', hosts: ['lenient.example.com'], match: { prefix: '/' }, ai: { agent: 'lenient' } }],
    },
  }
  gateway = await startGateway(input)
  for (const [name, team] of [
    ['ann', 'red'],
    ['abe', 'red'],
    ['bob', 'blue'],
    ['robot', 'blue'],
  ] as const) {
    const { record, text } = await gateway.keys.create({ name, team })
    keys[name] = text
    if (name === 'robot') input.a2a!.agents!.robot!.callers = [`key:${record.id}`]
  }
  expect(await gateway.gateway.apply(rulesSchema.parse(input))).toMatchObject({ type: 'applied' })
}, 60_000)

afterAll(async () => {
  delete process.env.A2A_LOGIN_SECRET
  await gateway?.stop()
  await Promise.all([agent, strict, login].map((each) => each?.close()))
  rmSync(directory, { recursive: true })
})

const as = (who: string) => ({ 'x-chaperone-key': keys[who]! })
const text = (said: string, more: object = {}) => ({
  message: { messageId: `${Math.random()}`, role: 'ROLE_USER', parts: [{ text: said }], ...more },
})
const send = (name: string, headers: Record<string, string>, more: object = {}) =>
  grpcCall(gateway.url, { operation: 'sendMessage', json: { tenant: name, ...text('plan it', more) } }, headers)
const cardOf = (name: string, who = 'ann') =>
  fetch(`${gateway.url}/a2a/${name}/.well-known/agent-card.json`, { headers: as(who) })

describe('an agent’s card', () => {
  test('that is signed as the rules say is used, and signed again by the gateway', async () => {
    const card = (await (await cardOf('trusted')).json()) as AgentCard
    const { keys: published } = (await (await fetch(`${gateway.url}/.well-known/jwks.json`)).json()) as { keys: JWK[] }
    expect(published.map(({ kid }) => kid)).toEqual(['gateway-1'])
    await verifyAgentCardSignature(async () => published[0] as never)(card)
    expect(card.signatures.length).toBeGreaterThan(0)
    expect(await send('trusted', as('ann'))).toMatchObject({ status: 0 })
  })

  test.each([
    ['changed', 'not of this card'],
    ['unsigned', 'no signature'],
  ])('that is %s is not', async (name, why) => {
    const heard = agent.heard.length
    const answer = await cardOf(name)
    expect(answer.status).toBe(502)
    expect(await answer.json()).toMatchObject({ error: expect.stringContaining(why) })
    expect(await send(name, as('ann'))).toMatchObject({
      status: 13,
      metadata: { rule: `a2a.agents.${name}.card.keys` },
    })
    expect(agent.heard.length).toBe(heard)
  })

  test('may be unsigned where the rules say so', async () => {
    expect((await cardOf('lenient')).status).toBe(200)
  })
})

test('the directory has what its reader may ask', async () => {
  const namesFor = async (who: string) => {
    const { agents } = (await (await fetch(`${gateway.url}/a2a`, { headers: as(who) })).json()) as {
      agents: { name: string }[]
    }
    return agents.map(({ name }) => name)
  }
  expect(await namesFor('ann')).toContain('trusted')
  expect(await namesFor('bob')).not.toContain('trusted')
  expect(await namesFor('robot')).not.toContain('lenient')
})

test('policies see the agent that calls', async () => {
  expect(await send('lenient', as('bob'))).toMatchObject({ status: 0 })
  expect(await send('lenient', as('robot'))).toMatchObject({ status: 7, message: 'Robots stay away.' })
})

test('tasks of a team are all its members’', async () => {
  const { messages } = await send('lenient', as('ann'))
  const { id, contextId } = (messages[0] as { task: { id: string; contextId: string } }).task
  const get = (who: string) => grpcCall(gateway.url, { operation: 'getTask', json: { tenant: 'lenient', id } }, as(who))
  expect(await get('abe')).toMatchObject({ status: 0, messages: [{ id }] })
  expect(await send('lenient', as('abe'), { contextId })).toMatchObject({ status: 0 })
  expect(await get('bob')).toMatchObject({ status: 5, reason: 'TASK_NOT_FOUND' })
})

describe('towards agents the gateway shows', () => {
  test('a token of its own, the same until it is over', async () => {
    expect(await send('robot', as('ann'))).toMatchObject({ status: 0 })
    expect(strict.seen.at(-1)?.authorization).toBe('Bearer s3cret')
    await send('robot', as('bob'))
    expect(asked.map((form) => form.get('grant_type'))).toEqual(['client_credentials'])
  })

  test('one in exchange for the caller’s', async () => {
    asked.length = 0
    expect(await send('exchanged', { authorization: `Bearer ${callerToken}` })).toMatchObject({ status: 0 })
    expect(Object.fromEntries(asked[0]!)).toMatchObject({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: callerToken,
      audience: 'strict',
    })
    expect(JSON.stringify(strict.seen)).not.toContain(callerToken)
    // Who has none to exchange is told so.
    expect(await send('exchanged', as('ann'))).toMatchObject({
      status: 16,
      metadata: { rule: 'a2a.agents.exchanged.credential' },
    })
  })
})

test('an agent with a host of its own by a route is there by gRPC too', async () => {
  const authority = { ':authority': 'lenient.example.com' }
  const call = { operation: 'sendMessage' as const, json: text('only words') }
  expect(await grpcCall(gateway.url, call, { ...as('ann'), ...authority })).toMatchObject({
    status: 0,
    messages: [{ message: { parts: [{ text: 'you said only words' }] } }],
  })
  const { messages } = await grpcCall(gateway.url, { operation: 'getExtendedCard' }, { ...as('ann'), ...authority })
  const { supportedInterfaces } = messages[0] as { supportedInterfaces: Record<string, string>[] }
  expect(supportedInterfaces).toContainEqual({
    url: 'lenient.example.com:80',
    protocolBinding: 'GRPC',
    protocolVersion: '0.3',
  })
  expect(supportedInterfaces.filter(({ tenant }) => tenant)).toEqual([])
})
