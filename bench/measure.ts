import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { chunksPerStream } from './upstream.ts'

/** CPU seconds a process has used, from /proc. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Resident memory of a process, MiB. */
export function residentMiB(pid: number): number {
  const match = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1] ?? 0) / 1024
}

export interface Measured {
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  failed: number
  /** CPU seconds per 1,000 requests, by process. */
  cpu: Record<string, number>
}

/** Sends the same request over and over for a while, on connections that it keeps. */
export async function load(
  url: string,
  body: string,
  connections: number,
  seconds: number,
  pids: Record<string, number>,
  key = 'bench',
): Promise<Measured> {
  const before = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuSeconds(pid)]))
  const request = requestBytes(url, body, key)
  const times: number[] = []
  let failed = 0
  const began = performance.now()
  const until = began + seconds * 1000
  await Promise.all(
    Array.from({ length: connections }, () =>
      exchange(url, request, (ms, ok) => {
        if (ok) times.push(ms)
        else failed++
        return performance.now() < until
      }),
    ),
  )
  const elapsed = (performance.now() - began) / 1000
  const cpu: Record<string, number> = {}
  for (const [name, pid] of Object.entries(pids)) cpu[name] = ((cpuSeconds(pid) - before[name]!) / times.length) * 1000
  return { requestsPerSecond: times.length / elapsed, ...percentiles(times), failed, cpu }
}

function percentiles(times: number[]): { p50Ms: number; p99Ms: number } {
  times.sort((a, b) => a - b)
  return { p50Ms: times[Math.floor(times.length * 0.5)] ?? 0, p99Ms: times[Math.floor(times.length * 0.99)] ?? 0 }
}

function requestBytes(url: string, body: string, key = 'bench'): Buffer {
  return Buffer.from(
    `POST ${new URL(url).pathname} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nauthorization: Bearer ${key}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

/**
 * One request after the other on one connection, by hand: an HTTP library would take more CPU than what is measured.
 * @param answered told of each answer; whether to send another
 */
function exchange(url: string, request: Buffer, answered: (ms: number, ok: boolean) => boolean): Promise<void> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    socket.setNoDelay(true)
    socket.setEncoding('latin1')
    let started = 0
    let text = ''
    const next = () => {
      text = ''
      started = performance.now()
      socket.write(request)
    }
    socket.on('error', reject)
    socket.on('connect', next)
    socket.on('data', (piece: string) => {
      text += piece
      if (!complete(text)) return
      if (answered(performance.now() - started, text.startsWith('HTTP/1.1 200'))) next()
      else {
        socket.destroy()
        resolve()
      }
    })
  })
}

/** One request after the other on one connection. */
export async function latency(url: string, body: string, count: number): Promise<{ p50Ms: number; p99Ms: number }> {
  const times: number[] = []
  await exchange(url, requestBytes(url, body), (ms) => times.push(ms) < count)
  return percentiles(times)
}

/** Whether an HTTP/1.1 response is whole: by its length, or by its last chunk. */
function complete(text: string): boolean {
  const head = text.indexOf('\r\n\r\n')
  if (head === -1) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, head))
  if (length) return text.length >= head + 4 + Number(length[1])
  return text.endsWith('0\r\n\r\n')
}

export interface StreamsMeasured {
  chunks: number
  chunksPerSecond: number
  /** Median time to the first byte. */
  firstMs: number
  failed: number
  /** CPU seconds, by process. */
  cpu: Record<string, number>
}

/** Reads a number of streamed answers on several connections. */
export async function streams(
  url: string,
  body: string,
  connections: number,
  answers: number,
  pids: Record<string, number>,
): Promise<StreamsMeasured> {
  const before = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuSeconds(pid)]))
  const started = performance.now()
  let left = answers
  let whole = 0
  const firsts: number[] = []
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (left-- > 0) {
        const began = performance.now()
        const response = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: 'Bearer bench' },
          body,
        })
        let tail = ''
        let first = true
        for await (const chunk of response.body!) {
          if (first) firsts.push(performance.now() - began)
          first = false
          tail = Buffer.from(chunk as Uint8Array)
            .toString('latin1')
            .slice(-200)
        }
        if (response.status === 200 && /\[DONE\]|message_stop/.test(tail)) whole++
      }
    }),
  )
  const seconds = (performance.now() - started) / 1000
  firsts.sort((a, b) => a - b)
  const chunks = whole * chunksPerStream
  const cpu: Record<string, number> = {}
  for (const [name, pid] of Object.entries(pids)) cpu[name] = cpuSeconds(pid) - before[name]!
  return {
    chunks,
    chunksPerSecond: chunks / seconds,
    firstMs: firsts[Math.floor(firsts.length / 2)] ?? 0,
    failed: answers - whole,
    cpu,
  }
}
