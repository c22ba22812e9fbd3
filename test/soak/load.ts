import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'

/**
 * The other side of the soak test, in a process of its own: a provider that answers whole and in streams, and agents
 * of which every third goes away at some point of its request.
 */
const chat = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  }),
)
const event = Buffer.from(
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content: 'hello' }, finish_reason: null }] })}\n\n`,
)
const lastEvent = Buffer.from('data: [DONE]\n\n')

const provider = createServer((request, response) => {
  let body = ''
  request.setEncoding('latin1')
  request.on('data', (chunk: string) => {
    body += chunk
  })
  request.on('end', () => {
    if (!body.includes('"stream":true')) {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': chat.length })
      response.end(chat)
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(event)
    // Long enough that an agent can leave in the middle.
    setTimeout(() => {
      response.write(event)
      response.end(lastEvent)
    }, 5)
  })
})
provider.listen(0, '127.0.0.1', () => process.send!({ type: 'ready', port: (provider.address() as AddressInfo).port }))

/** How a request goes. */
type Course = 'whole' | 'stream' | 'leave in the request' | 'leave before the answer' | 'leave in the stream'
const courses: Course[] = [
  'whole',
  'stream',
  'leave in the request',
  'whole',
  'stream',
  'leave before the answer',
  'whole',
  'stream',
  'leave in the stream',
]

export interface Go {
  port: number
  count: number
  connections: number
}
export interface Done {
  type: 'done'
  answered: number
  left: number
  /** Answers that were not what they should be, by their first line. */
  wrong: Record<string, number>
}

process.on('message', (go: Go) => void run(go))

async function run({ port, count, connections }: Go): Promise<void> {
  const done: Done = { type: 'done', answered: 0, left: 0, wrong: {} }
  let next = 0
  await Promise.all(
    Array.from({ length: connections }, async () => {
      let agent: Agent | undefined
      while (next < count) {
        const course = courses[next++ % courses.length]!
        if (!agent || agent.gone) agent = await Agent.connect(port)
        const outcome = await agent.request(course)
        if (outcome === 'answered') done.answered++
        else if (outcome === 'left') done.left++
        else done.wrong[outcome] = (done.wrong[outcome] ?? 0) + 1
      }
      agent?.leave()
    }),
  )
  process.send!(done)
}

/** One connection of an agent, HTTP/1.1 by hand: libraries tidy up where this must not. */
class Agent {
  static connect(port: number): Promise<Agent> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new Agent(socket)))
      socket.on('error', reject)
    })
  }

  gone = false
  readonly #socket: ReturnType<typeof connect>
  #received = ''
  #onBytes: () => void = () => undefined

  constructor(socket: ReturnType<typeof connect>) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#received += text
      this.#onBytes()
    })
    const gone = () => {
      this.gone = true
      this.#onBytes()
    }
    socket.on('close', gone)
    socket.on('error', gone)
  }

  leave(): void {
    this.gone = true
    this.#socket.destroy()
  }

  /** @returns `answered`, `left`, or what was wrong */
  async request(course: Course): Promise<string> {
    const stream = course === 'stream' || course === 'leave in the stream'
    const body = `{"model":"soak","stream":${stream},"messages":[{"role":"user","content":"${'x'.repeat(500)}"}]}`
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: soak\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
    this.#received = ''
    if (course === 'leave in the request') {
      this.#socket.write(head + body.slice(0, 100))
      await new Promise((resolve) => setTimeout(resolve, 1))
      this.leave()
      return 'left'
    }
    this.#socket.write(head + body)
    if (course === 'leave before the answer') {
      await new Promise((resolve) => setTimeout(resolve, 1))
      this.leave()
      return 'left'
    }
    await this.#until(() => (course === 'leave in the stream' ? this.#received !== '' : this.#complete()))
    if (course === 'leave in the stream') {
      this.leave()
      return 'left'
    }
    if (this.#received.startsWith('HTTP/1.1 200') && this.#complete()) return 'answered'
    return this.#received.split('\r\n', 1)[0] || 'nothing'
  }

  #complete(): boolean {
    const head = this.#received.indexOf('\r\n\r\n')
    if (head === -1) return false
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#received.slice(0, head))
    return length ? this.#received.length >= head + 4 + Number(length[1]) : this.#received.endsWith('0\r\n\r\n')
  }

  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#onBytes = () => {
        if (!this.gone && !condition()) return
        this.#onBytes = () => undefined
        resolve()
      }
      this.#onBytes()
    })
  }
}
