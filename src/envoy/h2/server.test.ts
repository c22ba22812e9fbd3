import { mkdtempSync, rmSync } from 'node:fs'
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type GrpcCall, GrpcSocketServer, type Method } from './server.ts'

const maxMessageBytes = 34 * 1024 * 1024

interface Answer {
  status: number
  message: string | undefined
  messages: Buffer[]
}

let directory: string
let path: string
let server: GrpcSocketServer
let session: ClientHttp2Session
let reported: unknown[]
let closedCalls: number
const heldCalls: GrpcCall[] = []

const methods = new Map<string, Method>([
  ['/echo', { type: 'unary', handle: (message) => message }],
  ['/later', { type: 'unary', handle: async (message) => message }],
  [
    '/throws',
    {
      type: 'unary',
      handle: () => {
        throw new Error('thrown')
      },
    },
  ],
  ['/rejects', { type: 'unary', handle: () => Promise.reject(new Error('rejected')) }],
  [
    '/chat',
    {
      type: 'stream',
      open: (call) => ({
        message: (bytes) => void call.write(bytes),
        end: () => call.end(),
        closed: () => void closedCalls++,
      }),
    },
  ],
  [
    '/held',
    {
      type: 'stream',
      open: (call) => {
        heldCalls.push(call)
        return { message: () => undefined, end: () => undefined, closed: () => void closedCalls++ }
      },
    },
  ],
])

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'h2-'))
  path = join(directory, 'grpc.sock')
  reported = []
  closedCalls = 0
  heldCalls.length = 0
  server = new GrpcSocketServer({ maxMessageBytes, methods, report: (error) => reported.push(error) })
  await server.listen(path)
  session = client()
})

afterEach(async () => {
  session.destroy()
  await server.stop(0)
  rmSync(directory, { recursive: true })
})

function client(settings = {}): ClientHttp2Session {
  const made = connect('http://service', { createConnection: () => connectSocket(path), settings })
  made.on('error', () => undefined)
  return made
}

function call(method: string, on = session): ClientHttp2Stream {
  return on.request({ ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' })
}

function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

function unframed(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1)
    messages.push(bytes.subarray(at + 5, end))
    at = end
  }
  return messages
}

/** Collects what comes until the call is over. */
function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let status: string | undefined
    let message: string | undefined
    const take = (headers: Record<string, unknown>) => {
      if (headers['grpc-status'] === undefined) return
      status = String(headers['grpc-status'])
      message = headers['grpc-message'] === undefined ? undefined : String(headers['grpc-message'])
    }
    stream.on('response', take)
    stream.on('trailers', take)
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('close', () => resolve({ status: Number(status), message, messages: unframed(Buffer.concat(chunks)) }))
  })
}

function ask(method: string, message: Uint8Array, on = session): Promise<Answer> {
  const stream = call(method, on)
  stream.end(framed(message))
  return answerOf(stream)
}

describe('a gRPC server on a unix socket, seen by Node’s HTTP/2 client', () => {
  it('answers a unary call', async () => {
    expect(await ask('/echo', Buffer.from('hello'))).toEqual({
      status: 0,
      message: undefined,
      messages: [Buffer.from('hello')],
    })
  })
})
