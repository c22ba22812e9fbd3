import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { z } from 'zod'

/** What a server with steps knows of itself. */
export interface StepsHooks {
  /** Ends the stream that a request is answered on. */
  close?(requestId: string | number): void
  polled?(): void
  cancelled?(): void
}

/** How long a step takes, ms. */
const stepMs = 60

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * A server of the old era that takes its time: `steps` tells of each of its steps, `poll` ends its stream before it answers, `change`
 * says that tools changed.
 */
export function stepsServer({ close, polled, cancelled }: StepsHooks = {}): McpServer {
  const server = new McpServer({ name: 'steps', version: '1' }, { capabilities: { tools: { listChanged: true } } })
  const inputSchema = { count: z.number() }
  server.registerTool('steps', { inputSchema }, async ({ count }, extra) => {
    const progressToken = extra._meta?.progressToken
    extra.signal.addEventListener('abort', () => cancelled?.())
    for (let step = 1; step <= count; step++) {
      await pause(stepMs)
      if (progressToken !== undefined)
        await extra.sendNotification({
          method: 'notifications/progress',
          params: { progressToken, progress: step, total: count },
        })
    }
    return { content: [{ type: 'text', text: `${count} steps` }] }
  })
  server.registerTool('poll', { inputSchema }, async (_, extra) => {
    close?.(extra.requestId)
    polled?.()
    await pause(stepMs)
    return { content: [{ type: 'text', text: 'polled' }] }
  })
  server.registerTool('change', { inputSchema }, async () => {
    server.sendToolListChanged()
    return { content: [{ type: 'text', text: 'changed' }] }
  })
  return server
}
