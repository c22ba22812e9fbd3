import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClientFactory, ClientFactoryOptions } from '@a2a-js/sdk/client'
import { GrpcTransportFactory } from '@a2a-js/sdk/client/grpc'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { spelling } from '../src/a2a/error-kinds.ts'
import type { RulesInput } from '../src/config/schema.ts'
import { startAgent } from './a2a/agent.ts'
import { grpcCall } from './a2a/grpc-call.ts'
import { message } from './a2a/message.ts'
import { startReceiver } from './a2a/receiver.ts'
import { eventually, startGateway } from './gateway.ts'
import { freePort } from './harness.ts'

const page = readFileSync('docs/a2a.md', 'utf8')

test('docs/a2a.md: its first configuration does what the page says', async () => {
  const [, text] = /^```yaml\n(.*?)^```$/ms.exec(page)!
  const [planner, billing] = await Promise.all([startAgent(), startAgent(undefined, 's3cret')])
  process.env.BILLING_TOKEN = 's3cret'
  const rules = parse(text!) as RulesInput
  // The page's rules as they are, but for where the agents live.
  const { agents } = rules.a2a!
  Object.assign(agents!.planner!, { url: planner.url })
  Object.assign(agents!.billing!, { url: billing.url })
  const gateway = await startGateway(rules)
  try {
    const { agents: listed } = (await (await fetch(`${gateway.url}/a2a`)).json()) as { agents: { name: string }[] }
    expect(listed.map(({ name }) => name)).toEqual(['planner', 'billing'])
    for (const { name } of listed) {
      const card = `${gateway.url}/a2a/${name}/.well-known/agent-card.json`
      const client = await new ClientFactory().createFromUrl(card, '')
      const kinds: unknown[] = []
      for await (const event of client.sendMessageStream(message('hi'))) kinds.push(event.payload?.$case)
      expect(kinds.at(-1)).toBe('statusUpdate')
    }
  } finally {
    await gateway.stop()
    await Promise.all([planner.close(), billing.close()])
    delete process.env.BILLING_TOKEN
  }
}, 60_000)

test('docs/a2a.md: agents by gRPC are found by their cards, and by host', async () => {
  const [, text] = /^## gRPC$.*?^```yaml\n(.*?)^```$/ms.exec(page)!
  const [planner, billing, archive] = await Promise.all([
    startAgent(),
    startAgent([['GRPC', '1.0']]),
    startAgent([['GRPC', '1.0']]),
  ])
  const rules = parse(text!) as RulesInput
  // The page's rules as they are, but for where the agents live.
  const { agents } = rules.a2a!
  Object.assign(agents!.planner!, { url: planner.url })
  Object.assign(agents!.billing!, { url: billing.url, hosts: [billing.grpc] })
  const [at] = agents!.archive!.interfaces as unknown as [object]
  Object.assign(agents!.archive!, { url: archive.url, interfaces: [{ ...at, url: `http://${archive.grpc}` }] })
  const gateway = await startGateway(rules)
  try {
    const options = ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
      transports: [new GrpcTransportFactory()],
      preferredTransports: ['GRPC'],
    })
    for (const name of ['planner', 'billing']) {
      const card = `${gateway.url}/a2a/${name}/.well-known/agent-card.json`
      const client = await new ClientFactory(options).createFromUrl(card, '')
      expect(await client.sendMessage(message('plan it'))).toMatchObject({ artifacts: [{ artifactId: 'a1' }] })
    }
    const json = { message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'only words' }] } }
    const call = { operation: 'sendMessage' as const, json }
    expect(await grpcCall(gateway.url, call, { ':authority': 'archive.agents.example.com' })).toMatchObject({
      status: 0,
      messages: [{ message: { parts: [{ text: 'you said only words' }] } }],
    })
  } finally {
    await gateway.stop()
    await Promise.all([planner, billing, archive].map((agent) => agent.close()))
  }
}, 60_000)

test('docs/a2a.md has the codes of the gateway’s own errors', () => {
  const own = Object.values(spelling).filter(({ httpToo }) => httpToo)
  const rows = page.split('\n').filter((line) => line.startsWith('| -320'))
  const pairs = rows.flatMap((row) => {
    const [, codes = '', statuses = ''] = row.split('|')
    const status = statuses.split(',')
    return codes.split(',').map((code, index) => [Number(code), Number(status[index])])
  })
  expect(pairs.sort()).toEqual(own.map(({ code, http }) => [code, http]).sort())
})

test('docs/a2a.md: notifications are delivered, signed, by the configuration of the page', async () => {
  const [, text] = /^## Notifications$.*?^```yaml\n(.*?)^```$/ms.exec(page)!
  const directory = mkdtempSync(join(tmpdir(), 'chaperone-docs-'))
  const keyFile = join(directory, 'key.pem')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  process.env.CHAPERONE_PUSH_KEY = Buffer.alloc(32, 5).toString('base64')
  const [planner, receiver] = await Promise.all([startAgent(undefined, undefined, undefined, true), startReceiver()])
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const rules = parse(text!) as RulesInput
  const { a2a } = rules
  // The page's rules as they are, but for where everything lives.
  Object.assign(a2a!.signer!, { keyFile })
  Object.assign(a2a!.agents!.planner!, { url: planner.url })
  const here = { hosts: ['127.0.0.1'], schemes: ['http'], ports: [receiver.port], networks: ['127.0.0.1/32'] }
  Object.assign(a2a!.push!, { publicUrl: url, ...here })
  const gateway = await startGateway({ ...rules, listeners: { default: { port } } })
  try {
    const send = async (config: object) => {
      const before = receiver.got.length
      await fetch(`${url}/a2a/planner`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
        body: JSON.stringify({
          ...{ jsonrpc: '2.0', id: 1, method: 'SendMessage' },
          params: {
            message: { messageId: `m${before}`, role: 'ROLE_USER', parts: [{ text: 'hi' }] },
            configuration: { taskPushNotificationConfig: { url: `${receiver.url}/hook`, ...config } },
          },
        }),
      })
      await eventually(() => expect(receiver.got).toHaveLength(before + 5))
      return receiver.got.at(-1)!
    }
    const { headers, text: body } = await send({})
    expect(headers.authorization).toBe(`Bearer ${String(headers['chaperone-notification'])}`)
    const keys = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`))
    const { payload } = await jwtVerify(String(headers['chaperone-notification']), keys, {
      ...{ typ: 'a2a-notification+jwt', issuer: a2a!.baseUrl!, audience: `${receiver.url}/hook` },
      requiredClaims: ['iat', 'exp', 'jti', 'taskId'],
    })
    expect(payload.jti).toBe(headers['idempotency-key'])
    expect(payload.request_body_sha256).toBe(createHash('sha256').update(body).digest('hex'))
    // What a client wants to be shown itself stays where it wants it.
    const own = await send({ authentication: { scheme: 'Basic', credentials: 'abc=' } })
    expect(own.headers.authorization).toBe('Basic abc=')
    expect(own.headers['chaperone-notification']).toMatch(/^eyJ/)
  } finally {
    await gateway.stop()
    await Promise.all([planner.close(), receiver.close()])
    delete process.env.CHAPERONE_PUSH_KEY
    rmSync(directory, { recursive: true, force: true })
  }
}, 60_000)

test('docs/a2a.md has the headers that notifications come with', () => {
  const dispatch = readFileSync('src/a2a/push/dispatch.ts', 'utf8')
  for (const [, name] of page.matchAll(/^\| `([a-z-]+)` \| (?:the same|with `sign`)/gm))
    expect(dispatch).toContain(`'${name}'`)
})
