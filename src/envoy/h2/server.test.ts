import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, compressionAlgorithms, credentials } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
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
  it.each(['/echo', '/later'])('answers a unary call of %s', async (method) => {
    expect(await ask(method, Buffer.from('hello'))).toEqual({
      status: 0,
      message: undefined,
      messages: [Buffer.from('hello')],
    })
  })

  it('answers each message of a stream as it comes, then its end', async () => {
    const stream = call('/chat')
    const answer = answerOf(stream)
    for (const text of ['one', 'two', 'three', 'four']) {
      stream.write(framed(Buffer.from(text)))
      const [chunk] = await once(stream, 'data')
      expect(unframed(chunk)).toEqual([Buffer.from(text)])
    }
    stream.end()
    expect((await answer).messages).toHaveLength(4)
    expect((await answer).status).toBe(0)
    expect(closedCalls).toBe(0)
  })

  it.each([
    ['/throws', 'thrown'],
    ['/rejects', 'rejected'],
  ])('fails the call of %s with INTERNAL and tells why only here', async (method, reason) => {
    expect(await ask(method, Buffer.from('x'))).toEqual({ status: 13, message: 'the method failed', messages: [] })
    expect(reported).toEqual([new Error(reason)])
  })

  it.each([
    ['no message', []],
    ['two messages', [Buffer.from('a'), Buffer.from('b')]],
  ])('fails a unary call of %s', async (_, messages) => {
    const stream = call('/echo')
    stream.end(Buffer.concat(messages.map(framed)))
    expect(await answerOf(stream)).toMatchObject({ status: 12, messages: [] })
  })

  it.each([5 * 1024 * 1024, 32 * 1024 * 1024])('echoes a message of %i bytes, whatever the window', async (size) => {
    const message = randomBytes(size)
    for (const settings of [{}, { initialWindowSize: 100_000, maxFrameSize: 60_000 }]) {
      const other = client(settings)
      const answer = await ask('/echo', message, other)
      expect(answer.status).toBe(0)
      expect(answer.messages[0]?.equals(message)).toBe(true)
      other.destroy()
    }
  })

  it('serves many calls at once', async () => {
    // Not more: Node's client sends an empty frame of every stream that waits, each time a window opens.
    const messages = Array.from({ length: 150 }, (_, i) => randomBytes(i * 300))
    const answers = await Promise.all(messages.map((message, i) => ask(i % 2 ? '/echo' : '/later', message)))
    expect(answers.every(({ status }, i) => status === 0 && answers[i]?.messages[0]?.equals(messages[i]!))).toBe(true)
  })

  it('outlives the reset of 5,000 streams, and tells each method', async () => {
    for (let i = 0; i < 5000; i++) {
      const stream = call('/held')
      stream.write(framed(Buffer.from('x')))
      stream.close(constants.NGHTTP2_CANCEL)
      await once(stream, 'close')
    }
    expect((await ask('/echo', Buffer.from('alive'))).status).toBe(0)
    expect(heldCalls.length).toBeGreaterThan(4900)
    expect(closedCalls).toBe(heldCalls.length)
  })

  it('ends a call before its client does', async () => {
    const stream = call('/held')
    const answer = answerOf(stream)
    stream.write(framed(Buffer.from('x')))
    await vi.waitFor(() => expect(heldCalls).toHaveLength(1))
    heldCalls[0]?.write(Buffer.from('done'))
    heldCalls[0]?.end()
    expect(await answer).toEqual({ status: 0, message: undefined, messages: [Buffer.from('done')] })
    expect(closedCalls).toBe(0)
  })

  it('tells methods when their connection is lost', async () => {
    call('/held').on('error', () => undefined)
    await vi.waitFor(() => expect(heldCalls).toHaveLength(1))
    session.destroy()
    await vi.waitFor(() => expect(closedCalls).toBe(1))
    expect(heldCalls[0]?.write(Buffer.from('nobody'))).toBe(false)
  })

  it('lets calls finish when it stops, and takes no more', async () => {
    const stream = call('/held')
    const answer = answerOf(stream)
    stream.write(framed(Buffer.from('x')))
    await vi.waitFor(() => expect(heldCalls).toHaveLength(1))
    const away = once(session, 'goaway')
    let stopped = false
    const stopping = server.stop(10_000).then(() => {
      stopped = true
    })
    expect((await away)[0]).toBe(constants.NGHTTP2_NO_ERROR)
    expect(stopped).toBe(false)
    heldCalls[0]?.end()
    expect((await answer).status).toBe(0)
    await stopping
    await expect(once(connectSocket(path), 'connect')).rejects.toThrow('ENOENT')
  })

  it('cuts calls that do not finish in time', async () => {
    const stream = call('/held')
    stream.on('error', () => undefined)
    stream.write(framed(Buffer.from('x')))
    await vi.waitFor(() => expect(heldCalls).toHaveLength(1))
    await server.stop(20)
    expect(closedCalls).toBe(1)
  })

  it('makes its socket for this user only, in the place of an old one', async () => {
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const other = join(directory, 'old.sock')
    writeFileSync(other, '')
    const second = new GrpcSocketServer({ maxMessageBytes, methods, report: () => undefined })
    await second.listen(other)
    expect(statSync(other).isSocket()).toBe(true)
    await second.stop(0)
  })

  it('says so where it cannot listen', async () => {
    const second = new GrpcSocketServer({ maxMessageBytes, methods, report: () => undefined })
    await expect(second.listen(join(directory, 'none', 'x.sock'))).rejects.toThrow('EACCES')
  })
})

describe('the same server, seen by grpc-js', () => {
  const asIs = (bytes: Buffer) => bytes
  let grpc: Client

  beforeEach(() => {
    grpc = new Client(`unix:${path}`, credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 })
  })

  afterEach(() => grpc.close())

  const unary = (method: string, message: Buffer) =>
    new Promise<Buffer>((resolve, reject) => {
      grpc.makeUnaryRequest(method, asIs, asIs, message, (error, answer) =>
        error ? reject(error) : resolve(answer ?? Buffer.alloc(0)),
      )
    })

  it('answers unary calls', async () => {
    const message = randomBytes(300_000)
    expect((await unary('/later', message)).equals(message)).toBe(true)
  })

  it.each([
    ['/throws', { code: 13, details: 'the method failed' }],
    ['/none', { code: 12, details: 'there is no such method' }],
  ])('fails %s as gRPC does', async (method, failure) => {
    await expect(unary(method, Buffer.from('x'))).rejects.toMatchObject(failure)
  })

  it('exchanges messages both ways', async () => {
    const stream = grpc.makeBidiStreamRequest('/chat', asIs, asIs)
    const got: string[] = []
    stream.on('data', (bytes: Buffer) => {
      got.push(bytes.toString())
      if (got.length === 4) stream.end()
      else stream.write(Buffer.from(`message ${got.length}`))
    })
    stream.write(Buffer.from('message 0'))
    const [status] = await once(stream, 'status')
    expect(status).toMatchObject({ code: 0 })
    expect(got).toEqual(['message 0', 'message 1', 'message 2', 'message 3'])
  })

  it('refuses compressed messages', async () => {
    const squeezing = new Client(`unix:${path}`, credentials.createInsecure(), {
      'grpc.default_compression_algorithm': compressionAlgorithms.gzip,
    })
    const error = await new Promise((resolve) =>
      squeezing.makeUnaryRequest('/echo', asIs, asIs, Buffer.alloc(10_000), (failure) => resolve(failure)),
    )
    expect(error).toMatchObject({ code: 12, details: 'compressed messages are not taken' })
    squeezing.close()
  })
})
