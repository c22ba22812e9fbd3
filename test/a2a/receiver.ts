import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A notification as a client's receiver got it. */
export interface Received {
  path: string
  headers: IncomingHttpHeaders
  body: Record<string, unknown> & {
    task?: { id: string; status: { state: string } }
    statusUpdate?: { taskId: string; status: { state: string } }
    artifactUpdate?: { taskId: string; artifact: { parts: { text: string }[] } }
  }
  text: string
}

/** Where a client wants to be notified: takes all, unless told otherwise. */
export interface Receiver {
  url: string
  port: number
  got: Received[]
  /** Answers in the place of 204. */
  answer: ((received: Received, response: ServerResponse) => void) | undefined
  close(): Promise<void>
  /** Listens again where it did. */
  open(): Promise<void>
}

export async function startReceiver(): Promise<Receiver> {
  const got: Received[] = []
  const make = () =>
    createServer(async (request, response) => {
      const pieces: Buffer[] = []
      for await (const piece of request) pieces.push(piece as Buffer)
      const text = Buffer.concat(pieces).toString('utf8')
      const received = { path: request.url ?? '', headers: request.headers, body: JSON.parse(text), text }
      if (receiver.answer) {
        receiver.answer(received, response)
        return
      }
      got.push(received)
      response.writeHead(204).end()
    })
  let server = make()
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}`,
    port,
    got,
    answer: undefined,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
    open: async () => {
      server = make()
      await listen(port)
    },
  }
  return receiver
}
