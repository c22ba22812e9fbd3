import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent, fetch } from 'undici'

/** Agents that ask all the time, and the provider that answers them, for tests of upgrades under load. */
export interface Load {
  /** Requests that were answered as they should be. */
  readonly done: number
  /** What went wrong with the others. */
  readonly failures: readonly string[]
  /** A stream that lasts as long as the test wants. @returns all of it, once it is let go */
  hold(): { begun: Promise<void>; release(): Promise<string> }
  /** No more requests are begun. @returns when all have ended */
  stop(): Promise<void>
}

const head = { id: 'c', created: 1, model: 'm' }
const whole = JSON.stringify({
  ...head,
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
})
const event = (content: string, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content }, finish_reason }] })}\n\n`

/** A provider of OpenAI's API: whole answers after a few ms, streams of some 200 ms, and streams that wait to be let go. */
export async function startProvider(): Promise<{ url: string; letGo(): void; stop(): Promise<void> }> {
  const held: (() => void)[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    if (!body.includes('"stream":true')) {
      setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end(whole), 5)
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(event('begin'))
    if (body.includes('hold')) await new Promise<void>((resolve) => held.push(resolve))
    for (let i = 0; i < 4; i++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      response.write(event(`${i}`))
    }
    response.end(`${event('end', 'stop')}data: [DONE]\n\n`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    letGo() {
      for (const each of held.splice(0)) each()
    },
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

/**
 * Begins to ask. Nothing is ever asked twice: what an upgrade loses is a failure.
 * @param url of the gateway
 * @param agents how many ask at a time; half of them stream
 */
export function startLoad(url: string, agents: number, letGo: () => void): Load {
  const dispatcher = new Agent({ connections: agents, pipelining: 1 })
  const failures: string[] = []
  let done = 0
  let stopping = false
  const ask = async (stream: boolean, content: string) => {
    const response = await fetch(`${url}/v1/chat/completions`, {
      dispatcher,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', stream, messages: [{ role: 'user', content }] }),
    })
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${response.status} ${text.slice(0, 300)}`)
    if (stream ? !text.trimEnd().endsWith('data: [DONE]') : !text.includes('hello')) throw new Error(`cut: ${text}`)
    return text
  }
  const agent = async (stream: boolean) => {
    while (!stopping) {
      try {
        await ask(stream, 'hi')
        done++
      } catch (error) {
        const { message, cause } = error as Error
        failures.push(`${stream ? 'stream' : 'whole'}: ${message}${cause instanceof Error ? `: ${cause.message}` : ''}`)
      }
    }
  }
  const all = Array.from({ length: agents }, (_, i) => agent(i % 2 === 1))
  return {
    get done() {
      return done
    },
    failures,
    hold() {
      const answer = ask(true, 'hold')
      answer.catch(() => undefined)
      return {
        begun: new Promise((resolve) => setTimeout(resolve, 300)),
        release() {
          letGo()
          return answer
        },
      }
    },
    async stop() {
      stopping = true
      await Promise.all(all)
      await dispatcher.close()
    },
  }
}
