import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type ClientHttp2Session, connect } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Server, ServerCredentials, type ServerDuplexStream, type ServiceDefinition } from '@grpc/grpc-js'
import { GrpcSocketServer } from '../src/envoy/h2/server.ts'

/**
 * What one gRPC call costs this service's own server and @grpc/grpc-js, measured in turn by the same client: a unary
 * echo, and a stream of four messages each way, one after the other, as ext_proc has them.
 *
 *   npx tsx bench/h2.ts [seconds]
 */
const messageBytes = 2048
const messagesPerStream = 4
const inFlight = [1, 16]
const maxMessageBytes = 64 * 1024 * 1024

const unaryPath = '/bench.Echo/Unary'
const streamPath = '/bench.Echo/Stream'

async function serveOurs(path: string): Promise<void> {
  const server = new GrpcSocketServer({
    maxMessageBytes,
    methods: new Map([
      [unaryPath, { type: 'unary', handle: (message) => message }],
      [
        streamPath,
        {
          type: 'stream',
          open: (call) => ({
            message: (bytes) => void call.write(bytes),
            end: () => call.end(),
            closed: () => undefined,
          }),
        },
      ],
    ]),
    report: (error) => console.error(error),
  })
  await server.listen(path)
}

async function serveGrpcJs(path: string): Promise<void> {
  const asIs = (bytes: Buffer) => bytes
  const serialization = {
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }
  const definition: ServiceDefinition = {
    unary: { path: unaryPath, requestStream: false, responseStream: false, ...serialization },
    stream: { path: streamPath, requestStream: true, responseStream: true, ...serialization },
  }
  const server = new Server({ 'grpc.max_receive_message_length': maxMessageBytes })
  server.addService(definition, {
    unary: (call: { request: Buffer }, callback: (error: null, answer: Buffer) => void) => callback(null, call.request),
    stream: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (message: Buffer) => call.write(message))
      call.on('end', () => call.end())
    },
  })
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    ),
  )
}

const servers: Record<string, (path: string) => Promise<void>> = { ours: serveOurs, 'grpc-js': serveGrpcJs }

const framed = Buffer.alloc(5 + messageBytes, 'x')
framed.writeUInt8(0)
framed.writeUInt32BE(messageBytes, 1)

/** One call; `messages` are sent one at a time, each when the one before has come back. */
function exchange(session: ClientHttp2Session, path: string, messages: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    let received = 0
    let sent = 1
    let status: unknown
    stream.on('data', (chunk: Buffer) => {
      received += chunk.length
      if (received < sent * framed.length) return
      if (sent === messages) stream.end()
      else {
        sent++
        stream.write(framed)
      }
    })
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status']
    })
    stream.on('error', reject)
    stream.on('close', () => {
      if (status === '0' && received === messages * framed.length) resolve()
      else reject(new Error(`status ${status}, ${received} bytes`))
    })
    // The only message of a unary call leaves with the end of the stream, as Envoy sends it.
    if (messages === 1) stream.end(framed)
    else stream.write(framed)
  })
}

interface Cost {
  callsPerSecond: number
  serverMicros: number
}

async function measure(kind: string, path: string, messages: number, concurrency: number, seconds: number) {
  const directory = mkdtempSync(join(tmpdir(), 'h2-bench-'))
  const socket = join(directory, 'grpc.sock')
  const child = fork(fileURLToPath(import.meta.url), ['serve', kind, socket], { execArgv: process.execArgv })
  await once(child, 'message')
  const cpuMicros = async () => {
    const answer = once(child, 'message')
    child.send('cpu')
    return Number((await answer)[0])
  }
  const session = connect('http://bench', { createConnection: () => connectSocket(socket) })
  const run = async (forSeconds: number): Promise<number> => {
    let calls = 0
    const end = performance.now() + forSeconds * 1000
    const worker = async () => {
      for (; performance.now() < end; calls++) await exchange(session, path, messages)
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
    return calls
  }
  await run(1)
  const before = await cpuMicros()
  const began = performance.now()
  const calls = await run(seconds)
  const elapsed = (performance.now() - began) / 1000
  const cost: Cost = { callsPerSecond: calls / elapsed, serverMicros: ((await cpuMicros()) - before) / calls }
  session.destroy()
  child.kill()
  rmSync(directory, { recursive: true })
  return cost
}

async function main(seconds: number): Promise<void> {
  console.log('call                  in flight  server    calls/s  server CPU µs/call  of grpc-js')
  for (const [name, path, messages] of [
    ['unary', unaryPath, 1],
    [`stream of ${messagesPerStream}`, streamPath, messagesPerStream],
  ] as const)
    for (const concurrency of inFlight) {
      const theirs = await measure('grpc-js', path, messages, concurrency, seconds)
      const ours = await measure('ours', path, messages, concurrency, seconds)
      for (const [server, cost] of [
        ['grpc-js', theirs],
        ['ours', ours],
      ] as const)
        console.log(
          [
            name.padEnd(20),
            String(concurrency).padStart(10),
            ` ${server.padEnd(8)}`,
            cost.callsPerSecond.toFixed(0).padStart(8),
            cost.serverMicros.toFixed(1).padStart(19),
            `${((cost.serverMicros / theirs.serverMicros) * 100).toFixed(0)}%`.padStart(11),
          ].join(' '),
        )
    }
}

const [mode, kind, socket] = process.argv.slice(2)
if (mode === 'serve' && kind && socket) {
  await servers[kind]?.(socket)
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.(user + system)
  })
  process.send?.('ready')
} else await main(Number(mode ?? 4))
