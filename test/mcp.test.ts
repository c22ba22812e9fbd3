import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway, type TestGateway } from './gateway.ts'

let gateway: TestGateway

beforeAll(async () => {
  gateway = await startGateway({
    mcp: {
      servers: {
        all: {
          type: 'stdio',
          command: process.execPath,
          args: ['node_modules/@modelcontextprotocol/server-everything/dist/index.js', 'stdio'],
        },
      },
    },
  })
})

afterAll(() => gateway?.stop())

test('a client of the old era lists and calls the tools of a process', async () => {
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`)))
  const { tools } = await client.listTools()
  expect(tools.map(({ name }) => name)).toContain('all_echo')
  const result = await client.callTool({ name: 'all_echo', arguments: { message: 'hi' } })
  expect(result.content).toEqual([{ type: 'text', text: 'Echo: hi' }])
  await client.close()
  expect(gateway.reports).toEqual([])
})
