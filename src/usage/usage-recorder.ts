import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { RefusalRecord, RequestRecord } from '../telemetry/record.ts'
import type { Batch, Books } from './books.ts'
import { finishedEntry, isUsage, refusedEntry } from './entry.ts'
import { callIn, lineOf, readLine } from './entry-line.ts'
import { addCounts, addTo, type Counts, countsOf, type Rollup, rollupOf } from './rollup.ts'
import { Soon } from './soon.ts'
import { type Entered, modelCall, refusedModelCall, type TreeCall } from './tree-call.ts'

export interface UsageRecorderOptions {
  books: Books
  /** This process's name: another one after each start. */
  sidecar: string
  /** Where entries are until the books have them; none: in memory only. */
  directory?: string | undefined
  /** So much is kept whole while the books are away; beyond it, the oldest as sums. Default: 100 MiB. */
  mostBytes?: number | undefined
  report(error: unknown): void
}

/** A busy process writes entries this often. */
const writeMs = 10
/** Entries go to the books after so long, or when there are so many. */
const flushMs = 1_000
const mostInBatch = 500
const retryMs = [1_000, 2_000, 5_000, 10_000]
/** Without the books, so much is kept on disk whole. */
const usualMostBytes = 100 * 1024 * 1024
/** Entries that wait where there is no disk. */
const mostInMemory = 100_000

interface Segment {
  readonly sidecar: string
  readonly sequence: number
  /** Where its entries are; undefined: only here. */
  readonly file?: string | undefined
  content?: Content | undefined
  /** Its file holds sums only. */
  summed?: boolean
}

type Content = Pick<Batch, 'lines' | 'days' | 'calls'>

/**
 * Takes finished and refused requests to the books, in numbered batches. Each entry is in a file within `writeMs` of its request's
 * end, and the file stays until the books have it: none that is there is lost, and none is counted twice.
 */
export class UsageRecorder {
  readonly #options: UsageRecorderOptions
  #sequence = 1
  /** What was not written yet. */
  #finished: RequestRecord[] = []
  #entered: Entered[] = []
  readonly #writing = new Soon(() => this.#add(), writeMs)
  /** This batch: how many entries it has, what they are as text, and what they add up to. No entry is kept as an object. */
  #count = 0
  #lines: Uint8Array[] = []
  #days = new Map<string, Rollup>()
  #calls: TreeCall[] = []
  #file: number | undefined
  #waiting: Segment[] = []
  #bytes = 0
  #timer: NodeJS.Timeout | undefined
  #sending: Promise<void> | undefined
  #failures = 0
  #summing = false

  constructor(options: UsageRecorderOptions) {
    this.#options = options
  }

  /** Takes up what earlier processes have left. */
  start(): void {
    const { directory, sidecar } = this.#options
    if (directory === undefined) return
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(directory).sort()) {
      // What a kill has left half written; what it was to replace is still there.
      if (name.endsWith('.jsonl.next')) rmSync(join(directory, name), { force: true })
      const [, owner, sequence] = /^(.+)\.(\d{9})\.jsonl$/.exec(name) ?? []
      if (owner === undefined || owner === sidecar) continue
      const file = join(directory, name)
      this.#bytes += statSync(file).size
      this.#waiting.push({ sidecar: owner, sequence: Number(sequence), file })
    }
    if (this.#waiting.length > 0) void this.#send()
  }

  finished(record: RequestRecord): void {
    this.#finished.push(record)
    this.#writing.ask()
  }

  refused(record: RefusalRecord): void {
    const now = Date.now()
    this.entered({ entry: refusedEntry(record, now), call: refusedModelCall(record, now) })
  }

  /** Takes what no provider was asked for: a refused request, a call of an agent or of a tool. */
  entered(entered: Entered): void {
    this.#entered.push(entered)
    this.#writing.ask()
  }

  /** Tells the books all there is. */
  async close(): Promise<void> {
    this.#writing.now()
    clearTimeout(this.#timer)
    this.#seal()
    await this.#sending
    if (this.#waiting.length > 0 && this.#failures === 0) await this.#send()
    clearTimeout(this.#timer)
  }

  #add(): void {
    let text = ''
    for (const { entry, call } of this.#entered) {
      if (call) this.#calls.push(call)
      text += lineOf(entry, call)
    }
    for (const record of this.#finished) {
      const entry = finishedEntry(record)
      const call = record.caller?.work && modelCall(record, entry)
      addTo(this.#days, entry)
      if (call) this.#calls.push(call)
      text += lineOf(entry, call)
    }
    const lines = Buffer.from(text)
    const first = this.#count === 0
    this.#count += this.#entered.length + this.#finished.length
    this.#entered = []
    this.#finished = []
    this.#lines.push(lines)
    this.#write(lines, first)
    if (this.#count >= mostInBatch) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), flushMs).unref()
  }

  #write(lines: Uint8Array, first: boolean): void {
    const { directory, sidecar, report } = this.#options
    if (directory === undefined) return
    try {
      this.#file ??= openSync(join(directory, fileName(sidecar, this.#sequence)), 'a', 0o600)
      this.#bytes += writeSync(this.#file, lines)
    } catch (error) {
      // The books still get it, if the process lives long enough. Said once a batch.
      if (first) report(new Error('usage cannot be written to disk', { cause: error }))
    }
  }

  #flush(): void {
    this.#seal()
    if (!this.#sending && this.#failures === 0) void this.#send()
  }

  /** What was collected becomes a batch. */
  #seal(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#count === 0) return
    const { directory, sidecar } = this.#options
    const sequence = this.#sequence++
    const written = this.#file !== undefined
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
    const file = written && directory !== undefined ? join(directory, fileName(sidecar, sequence)) : undefined
    // While the books are away, what is on disk need not be in memory as well.
    const keep = file === undefined || this.#waiting.length < 4
    const content = keep ? { lines: Buffer.concat(this.#lines), days: this.#days, calls: this.#calls } : undefined
    this.#waiting.push({ sidecar, sequence, file, content })
    this.#count = 0
    this.#lines = []
    this.#days = new Map()
    this.#calls = []
    this.#bound()
  }

  #send(): Promise<void> {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined
    })
    return this.#sending
  }

  async #sendAll(): Promise<void> {
    const { books, report } = this.#options
    for (let segment = this.#waiting[0]; segment; segment = this.#waiting[0]) {
      const { sidecar, sequence, file, content } = segment
      try {
        await books.write({ sidecar, sequence, ...(content ?? readSegment(file!)) })
      } catch (error) {
        if (this.#failures++ === 0) report(new Error('usage cannot be sent; it is kept', { cause: error }))
        const pause = retryMs[Math.min(this.#failures, retryMs.length) - 1]!
        setTimeout(() => void this.#send(), pause).unref()
        return
      }
      this.#failures = 0
      this.#summing = false
      this.#drop(segment)
    }
  }

  #drop(segment: Segment): void {
    this.#waiting = this.#waiting.filter((each) => each !== segment)
    if (segment.file === undefined) return
    try {
      this.#bytes -= statSync(segment.file).size
      rmSync(segment.file)
    } catch {
      // It is told again after a start, and counted once.
    }
  }

  /**
   * Of what the disk has too much of, the oldest is kept as sums: what was used is still counted, only which request it was is not
   * known any more. What is in memory alone is given up.
   */
  #bound(): void {
    const { mostBytes = usualMostBytes, report } = this.#options
    // The first may be on its way.
    for (const segment of this.#waiting.slice(1)) {
      if (this.#bytes <= mostBytes) break
      if (segment.summed || segment.file === undefined) continue
      try {
        const { days } = readSegment(segment.file)
        this.#bytes -= statSync(segment.file).size
        replace(segment.file, sumsLine(days))
        this.#bytes += statSync(segment.file).size
        segment.summed = true
        segment.content = undefined
        if (!this.#summing) report(new Error('the books are away for long: of the oldest usage only sums are kept'))
        this.#summing = true
      } catch (error) {
        report(new Error(`usage cannot be summed (${segment.sequence})`, { cause: error }))
        break
      }
    }
    const inMemory = this.#waiting.filter(({ file }) => file === undefined)
    if (inMemory.length * mostInBatch <= mostInMemory) return
    const oldest = inMemory.find((segment) => segment !== this.#waiting[0])
    if (!oldest) return
    report(new Error(`a batch of usage was given up: the books were away for too long (${oldest.sequence})`))
    this.#drop(oldest)
  }
}

const fileName = (sidecar: string, sequence: number) => `${sidecar}.${String(sequence).padStart(9, '0')}.jsonl`

/** A kill leaves the one or the other. */
function replace(file: string, text: string): void {
  writeFileSync(`${file}.next`, text, { mode: 0o600 })
  renameSync(`${file}.next`, file)
}

/** Sums as a line of a file; no entry begins so. */
function sumsLine(days: ReadonlyMap<string, Rollup>): string {
  return `=${JSON.stringify([...days].map(([day, rollup]) => [day, [...rollup]]))}\n`
}

function addSums(days: Map<string, Rollup>, line: string): void {
  for (const [day, groups] of JSON.parse(line.slice(1)) as [string, [string, Counts][]][])
    for (const [group, counts] of groups) addCounts(countsOf(rollupOf(days, day), group), counts)
}

/** What a file holds; a line that was cut off by a crash is none. */
function readSegment(file: string): Content {
  const days = new Map<string, Rollup>()
  const calls: TreeCall[] = []
  let text = ''
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line[0] === '=') addSums(days, line)
    const entry = readLine(line)
    if (!entry) continue
    if (isUsage(entry)) addTo(days, entry)
    const call = callIn(line)
    if (call) calls.push(call)
    text += `${line}\n`
  }
  return { lines: Buffer.from(text), days, calls }
}
