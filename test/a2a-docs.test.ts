import { readFileSync } from 'node:fs'
import { ClientFactory, ClientFactoryOptions } from '@a2a-js/sdk/client'
import { GrpcTransportFactory } from '@a2a-js/sdk/client/grpc'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { spelling } from '../src/a2a/error-kinds.ts'
import type { RulesInput } from '../src/config/schema.ts'
import { startAgent } from './a2a/agent.ts'
import { grpcCall } from './a2a/grpc-call.ts'
import { message } from './a2a/message.ts'
import { startGateway } from './gateway.ts'

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
