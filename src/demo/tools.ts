import type { RequestListener } from 'node:http'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { z } from 'zod'

/** Serves MCP at every path: streamable HTTP without sessions, so that a server is made for each request. */
export function tools(): RequestListener {
  return async (request, response) => {
    const server = toolServer()
    const transport = new StreamableHTTPServerTransport({})
    response.on('close', () => {
      void transport.close()
      void server.close()
    })
    // The SDK's own transport is not of its Transport type where optional properties are exact.
    await server.connect(transport as Parameters<typeof server.connect>[0])
    await transport.handleRequest(request, response)
  }
}

/** Tools that need nothing of the outside: one that answers at once, one that takes its time, one that fails. */
function toolServer(): McpServer {
  const server = new McpServer({ name: 'demo-tools', version: '1.0.0' })
  server.registerTool(
    'add',
    { description: 'Adds two numbers.', inputSchema: { a: z.number(), b: z.number() } },
    ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }),
  )
  server.registerTool(
    'wait',
    { description: 'Waits.', inputSchema: { ms: z.number().int().min(0).max(10_000) } },
    async ({ ms }) => {
      await new Promise((resolve) => setTimeout(resolve, ms))
      return { content: [{ type: 'text', text: `waited ${ms} ms` }] }
    },
  )
  server.registerTool('fail', { description: 'Fails.' }, () => ({
    isError: true,
    content: [{ type: 'text', text: 'This tool fails, as it says.' }],
  }))
  return server
}
