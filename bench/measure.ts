import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import autocannon from 'autocannon'
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

/** Sends the same request over and over for a while. */
export async function load(
  url: string,
  body: string,
  connections: number,
  seconds: number,
  pids: Record<string, number>,
): Promise<Measured> {
  const before = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuSeconds(pid)]))
  const result = await autocannon({
    url,
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer bench' },
    body,
    connections,
    duration: seconds,
  })
  const cpu: Record<string, number> = {}
  const requests = result.requests.total
  for (const [name, pid] of Object.entries(pids)) cpu[name] = ((cpuSeconds(pid) - before[name]!) / requests) * 1000
  return {
    requestsPerSecond: result.requests.average,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    failed: result.non2xx + result.errors + result.timeouts,
    cpu,
  }
}

/** One request after the other on one connection, timed by the microsecond (autocannon counts whole milliseconds). */
export async function latency(url: string, body: string, count: number): Promise<{ p50Ms: number; p99Ms: number }> {
  const { hostname, port, pathname } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.setNoDelay(true)
  const request = Buffer.from(
    `POST ${pathname} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nauthorization: Bearer bench\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  const times: number[] = []
  await new Promise<void>((resolve, reject) => {
    let started = 0
    let text = ''
    socket.on('error', reject)
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (!complete(text)) return
      times.push(performance.now() - started)
      text = ''
      if (times.length < count) next()
      else {
        socket.destroy()
        resolve()
      }
    })
    const next = () => {
      started = performance.now()
      socket.write(request)
    }
    socket.on('connect', next)
  })
  times.sort((a, b) => a - b)
  return { p50Ms: times[Math.floor(count * 0.5)]!, p99Ms: times[Math.floor(count * 0.99)]! }
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
