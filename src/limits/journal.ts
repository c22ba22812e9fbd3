import { closeSync, existsSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { MeterId } from './authority.ts'

/** Which meter an amount belongs to, with all that must be known to tell of it after a restart. */
export interface JournalMeter {
  readonly id: MeterId
  readonly capacity: number
  readonly subject: string
  readonly rule: { readonly name: string }
  readonly span: { readonly label: string }
}

export interface Amount {
  readonly meter: JournalMeter
  readonly spent: number
}

/** Keeps what was settled until the authority has it, so that a process that is killed loses none of it. */
export interface Journal {
  /** Amounts that were settled. May throw for the ones before. */
  append(amounts: readonly Amount[]): void
  /** Of the amounts appended so far, these go to the authority under this number, again and again until it has them. */
  seal(sequence: number, amounts: readonly Amount[]): void
  /** The authority has that batch. */
  acknowledged(sequence: number): void
  /** @returns what earlier processes left behind */
  replay(): Legacy[]
  close?(): void
}

/** What a process left behind: batches to be told in its name and in this order. */
export interface Legacy {
  readonly sidecar: string
  readonly batches: readonly { readonly sequence: number; readonly amounts: readonly Amount[] }[]
  /** All of it has been told. */
  done(): void
}

/** A journal is written anew, without what the authority has, when it is longer than this. */
const maxBytes = 1 << 20
/** Meters a legacy batch may have. */
const maxBatch = 200

type Line =
  /** Whose it is, and the number of the last batch before it. */
  | { sidecar: string; sequence: number }
  | ['meter', number, string, number | 'never' | 'idle', readonly number[], number, string, string, string]
  | ['settled', ...number[]]
  | ['batch', number, ...number[]]
  | ['told', number]

/** Says when to write what was appended: at once, or soon and once for many that ask. */
export type Pace = (write: () => void) => { ask(): void }

const atOnce: Pace = (write) => ({ ask: write })

/** What was settled of a meter and is in no batch yet. */
interface Open {
  meter: JournalMeter
  spent: number
  /** Of that, what is not in the file yet. */
  unwritten: number
}

/**
 * A journal in a file: JSON lines, only appended to. What was appended is safe from a kill −9 when its pace has had it written,
 * all else when the method returns. It is emptied when the authority has everything, and written anew with sums instead of
 * single amounts when it becomes long, so its size is bounded by the number of meters that have something to tell. One
 * process may use a path at a time.
 */
export class FileJournal implements Journal {
  readonly #path: string
  readonly #sidecar: string
  readonly #numbers = new Map<string, number>()
  readonly #open = new Map<string, Open>()
  /** Those with something unwritten. */
  readonly #dirty = new Set<Open>()
  readonly #pace: ReturnType<Pace>
  #failure: { error: unknown } | undefined
  readonly #sealed = new Map<number, readonly Amount[]>()
  #sequence = 0
  #file: number | undefined
  #bytes = 0
  /** The last write failed: the file may end within a line. */
  #torn = false

  /**
   * @param path the file; what is in it becomes a legacy (`path.<sidecar>`)
   * @param sidecar this process's name at the authority
   * @param pace by default what was appended is written before `append` returns
   */
  constructor(path: string, sidecar: string, pace = atOnce) {
    this.#path = path
    this.#sidecar = sidecar
    this.#pace = pace(() => this.#writeOpen())
    if (existsSync(path)) {
      const left = read(path)
      if (left && left.batches.length > 0) renameSync(path, `${path}.${left.sidecar}`)
      else rmSync(path)
    }
  }

  append(amounts: readonly Amount[]): void {
    for (const { meter, spent } of amounts) {
      let open = this.#open.get(meter.id.key)
      if (!open) {
        open = { meter, spent: 0, unwritten: 0 }
        this.#open.set(meter.id.key, open)
      }
      open.meter = meter
      open.spent += spent
      open.unwritten += spent
      this.#dirty.add(open)
    }
    this.#pace.ask()
    this.#tellFailure()
  }

  seal(sequence: number, amounts: readonly Amount[]): void {
    this.#writeOpen()
    for (const { meter, spent } of amounts) {
      const open = this.#open.get(meter.id.key)
      if (!open) continue
      open.spent -= spent
      if (open.spent === 0) this.#open.delete(meter.id.key)
    }
    this.#sealed.set(sequence, amounts)
    this.#sequence = sequence
    this.#write(this.#lines(amounts, (flat) => ['batch', sequence, ...flat]))
    this.#tellFailure()
  }

  acknowledged(sequence: number): void {
    this.#sealed.delete(sequence)
    if (this.#open.size === 0 && this.#sealed.size === 0) this.#compact()
    else this.#write([['told', sequence]])
  }

  replay(): Legacy[] {
    const prefix = `${basename(this.#path)}.`
    const legacies: Legacy[] = []
    for (const name of readdirSync(dirname(this.#path)).sort()) {
      if (!name.startsWith(prefix) || name.endsWith('.new')) continue
      const path = join(dirname(this.#path), name)
      const left = read(path)
      if (!left) continue
      // Sums that were in no batch get their number now, before anyone is told: the next try must use the same.
      replace(path, { sidecar: left.sidecar, sequence: 0 }, left.batches, [])
      legacies.push({ ...left, done: () => rmSync(path, { force: true }) })
    }
    return legacies
  }

  close(): void {
    this.#writeOpen()
    this.#closeFile()
  }

  /** One line for all that was appended since the last one. */
  #writeOpen(): void {
    if (this.#dirty.size === 0) return
    try {
      const amounts: Amount[] = []
      for (const { meter, unwritten } of this.#dirty) amounts.push({ meter, spent: unwritten })
      this.#write(this.#lines(amounts, (flat) => ['settled', ...flat]))
      this.#written()
      if (this.#bytes > maxBytes) this.#compact()
    } catch (error) {
      this.#failure = { error }
    }
  }

  #written(): void {
    for (const open of this.#dirty) open.unwritten = 0
    this.#dirty.clear()
  }

  /** What could not be written stays to be written with the next. */
  #tellFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure) throw failure.error
  }

  #closeFile(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }

  /** A line about amounts, after those that describe its meters where they were not described yet. */
  #lines(amounts: readonly Amount[], line: (flat: number[]) => Line): Line[] {
    const lines: Line[] = []
    const flat: number[] = []
    for (const { meter, spent } of amounts) {
      flat.push(
        numberOf(meter, this.#numbers, (description) => lines.push(description)),
        spent,
      )
    }
    lines.push(line(flat))
    return lines
  }

  #write(lines: readonly Line[]): void {
    try {
      const opened = this.#file === undefined
      this.#file ??= openSync(this.#path, 'a', 0o600)
      const all = opened ? [{ sidecar: this.#sidecar, sequence: this.#sequence }, ...lines] : lines
      // A line of which a full disk took a part ends before these.
      const text = Buffer.from(`${this.#torn ? '\n' : ''}${all.map((line) => `${JSON.stringify(line)}\n`).join('')}`)
      const written = writeSync(this.#file, text)
      this.#bytes += written
      if (written < text.length) throw new Error('the disk took a part of the journal only')
      this.#torn = false
    } catch (error) {
      // Whose journal it is and which meters there are may be missing: the next write says it again.
      this.#torn = true
      this.#closeFile()
      this.#numbers.clear()
      throw error
    }
  }

  #compact(): void {
    this.#closeFile()
    this.#numbers.clear()
    if (this.#open.size === 0 && this.#sealed.size === 0) {
      rmSync(this.#path, { force: true })
      this.#bytes = 0
      this.#written()
      return
    }
    const batches = [...this.#sealed].map(([sequence, amounts]) => ({ sequence, amounts }))
    const header = { sidecar: this.#sidecar, sequence: this.#sequence }
    replace(this.#path, header, batches, [...this.#open.values()], this.#numbers)
    this.#written()
    this.#file = openSync(this.#path, 'a', 0o600)
    this.#bytes = 0
  }
}

/** Writes a journal aside and puts it in the place of another: a kill leaves the one or the other. */
function replace(
  path: string,
  header: { sidecar: string; sequence: number },
  batches: Legacy['batches'],
  open: readonly Amount[],
  numbers = new Map<string, number>(),
): void {
  const lines: Line[] = [header]
  const flat = (amounts: readonly Amount[]) =>
    amounts.flatMap(({ meter, spent }) => [numberOf(meter, numbers, (line) => lines.push(line)), spent])
  for (const { sequence, amounts } of batches) {
    const all = flat(amounts)
    // What a batch has was settled before.
    lines.push(['settled', ...all], ['batch', sequence, ...all])
  }
  if (open.length > 0) {
    const all = flat(open)
    lines.push(['settled', ...all])
  }
  const file = openSync(`${path}.new`, 'w', 0o600)
  try {
    writeSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  } finally {
    closeSync(file)
  }
  renameSync(`${path}.new`, path)
}

/** A meter is described once, where it is first named. */
function numberOf(meter: JournalMeter, numbers: Map<string, number>, write: (line: Line) => void): number {
  const id = `${meter.id.key}\n${meter.capacity}`
  let number = numbers.get(id)
  if (number === undefined) {
    number = numbers.size
    numbers.set(id, number)
    write(meterLine(number, meter))
  }
  return number
}

function meterLine(number: number, { id, capacity, subject, rule, span }: JournalMeter): Line {
  const end = id.endMs === undefined ? 'idle' : id.endMs === Number.POSITIVE_INFINITY ? 'never' : id.endMs
  const thresholds = id.alerts.map(({ threshold }) => threshold)
  return ['meter', number, id.key, end, thresholds, capacity, rule.name, subject, span.label]
}

/** What of a journal has not been told. A last line that a kill cut short was not settled yet. */
function read(path: string): Omit<Legacy, 'done'> | undefined {
  let sidecar: string | undefined
  const meters = new Map<number, JournalMeter>()
  const open = new Map<string, Amount>()
  const batches = new Map<number, Amount[]>()
  let last = 0
  const amounts = (flat: number[]): Amount[] => {
    const found: Amount[] = []
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const meter = meters.get(flat[i]!)
      if (meter && Number.isSafeInteger(flat[i + 1])) found.push({ meter, spent: flat[i + 1]! })
    }
    return found
  }
  for (const text of readFileSync(path, 'utf8').split('\n')) {
    const line = parse(text)
    if (line === undefined) continue
    if (!Array.isArray(line)) {
      if (typeof line.sidecar === 'string' && /^[\w-]{1,100}$/.test(line.sidecar)) sidecar = line.sidecar
      if (Number.isSafeInteger(line.sequence)) last = line.sequence
    } else if (line[0] === 'meter') {
      const [, number, key, end, thresholds, capacity, name, subject, label] = line
      const endMs = end === 'idle' ? undefined : end === 'never' ? Number.POSITIVE_INFINITY : end
      const alerts = thresholds.map((threshold) => ({ threshold }))
      meters.set(number, { id: { key, endMs, alerts }, capacity, subject, rule: { name }, span: { label } })
    } else if (line[0] === 'settled') {
      for (const amount of amounts(line.slice(1) as number[])) add(open, amount)
    } else if (line[0] === 'batch') {
      const batch = amounts(line.slice(2) as number[])
      for (const { meter, spent } of batch) add(open, { meter, spent: -spent })
      batches.set(line[1], batch)
      last = Math.max(last, line[1])
    } else {
      batches.delete(line[1])
      last = Math.max(last, line[1])
    }
  }
  if (sidecar === undefined) return undefined
  // Less than nothing is left where a disk took a batch and not what had been settled before.
  const rest = [...open.values()].filter(({ spent }) => spent > 0)
  while (rest.length > 0) batches.set(++last, rest.splice(0, maxBatch))
  return { sidecar, batches: [...batches].map(([sequence, amounts]) => ({ sequence, amounts })) }
}

function parse(text: string): Line | undefined {
  try {
    const line: unknown = JSON.parse(text)
    return typeof line === 'object' && line !== null ? (line as Line) : undefined
  } catch {
    return undefined
  }
}

function add(sums: Map<string, Amount>, { meter, spent }: Amount): void {
  const sum = (sums.get(meter.id.key)?.spent ?? 0) + spent
  if (sum === 0) sums.delete(meter.id.key)
  else sums.set(meter.id.key, { meter, spent: sum })
}
