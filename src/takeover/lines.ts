import type { Socket } from 'node:net'

/** A message on the way between two services: an object of JSON, one a line. */
export type Message = Readonly<Record<string, unknown>>

/** Longest line, bytes. */
const longest = 64 * 1024

/**
 * Reads messages from a socket; one that sends anything else is cut.
 * @param take told of each, in order
 */
export function onMessages(socket: Socket, take: (message: Message) => void): void {
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    text += chunk
    const lines = text.split('\n')
    text = lines.pop()!
    if (text.length > longest) socket.destroy()
    for (const line of lines) {
      const message = parse(line)
      if (message) take(message)
      else socket.destroy()
    }
  })
}

/** Sends a message. */
export function send(socket: Socket, message: Message): void {
  socket.write(`${JSON.stringify(message)}\n`)
}

function parse(line: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Message) : undefined
  } catch {
    return undefined
  }
}
