import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Change, MemoryPushStore } from './memory-push-store.ts'

/** Where callbacks and what waits for them are without Redis, in the directory of the state. */
export function pushJournal(state: string): string {
  return join(state, 'a2a-push.jsonl')
}

/** A journal is written anew, without what is over, when it has grown by this much, bytes. */
const mostGrowth = 8 << 20

/**
 * What outlives a process: JSON lines, only appended to, mode 0600, and written anew when they are many. A change is in the file
 * before anybody is told of it, so that a killed process loses none; what a machine loses that goes down is what it had not
 * written to its disk. One process may have a path at a time.
 */
export class PushJournal {
  readonly #path: string
  #file: number | undefined
  #written = 0
  /** The last write failed: the file may end within a line. */
  #torn = false

  /** @throws {Error} where it cannot be had, or another process has it */
  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    claim(`${path}.owner`)
    this.#path = path
  }

  /** @returns the changes that were written, or none. A last line that a kill cut short was not confirmed to anybody */
  *read(): Iterable<Change> {
    if (existsSync(this.#path)) yield* readJournal(this.#path)
  }

  /** @param all the changes that make what there is, for the time when the file has become long */
  append(change: Change, all: () => Iterable<Change>): void {
    if (this.#written > mostGrowth) this.rewrite(all())
    const text = Buffer.from(`${this.#torn ? '\n' : ''}${JSON.stringify(change)}\n`)
    this.#torn = true
    this.#file ??= openSync(this.#path, 'a', 0o600)
    const written = writeSync(this.#file, text)
    this.#written += written
    if (written < text.length) throw new Error(`the disk took a part only of what was written to ${this.#path}`)
    this.#torn = false
  }

  /** Writes aside what there is and puts it in the journal's place: a kill leaves the one or the other. */
  rewrite(all: Iterable<Change>): void {
    const aside = `${this.#path}.new`
    const file = openSync(aside, 'w', 0o600)
    try {
      for (const change of all) writeSync(file, `${JSON.stringify(change)}\n`)
    } finally {
      closeSync(file)
    }
    renameSync(aside, this.#path)
    this.#closeFile()
    this.#torn = false
    this.#written = 0
  }

  /** Another process may have it. */
  close(): void {
    this.#closeFile()
    rmSync(`${this.#path}.owner`, { force: true })
  }

  #closeFile(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }
}

/** The changes of a journal, whoever has it. @throws {Error} where there is none */
export function* readJournal(path: string): Iterable<Change> {
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    let change: unknown
    try {
      change = JSON.parse(line)
    } catch {
      continue
    }
    if (Array.isArray(change)) yield change as Change
  }
}

/** What a journal's owner has in it, for who only looks. */
export function lookInto(path: string): MemoryPushStore {
  const store = new MemoryPushStore()
  if (existsSync(path)) for (const change of readJournal(path)) store.apply(change)
  return store
}

/**
 * Says that this process has the journal.
 * @throws {Error} where a process that still lives has it
 */
function claim(path: string): void {
  const own = `${process.pid} ${startOf(process.pid)}`
  if (existsSync(path)) {
    const owner = readFileSync(path, 'utf8')
    const [pid = ''] = owner.split(' ')
    if (owner !== own && owner === `${pid} ${startOf(Number(pid))}`)
      throw new Error(`the process ${pid} has ${path.replace(/\.owner$/, '')}; give each gateway a --state of its own`)
  }
  const file = openSync(path, 'w', 0o600)
  writeSync(file, own)
  closeSync(file)
}

/** When a process began, in whatever unit: ids of processes are used again. */
function startOf(pid: number): string | undefined {
  try {
    // The name may hold blanks; what follows it does not (proc(5): starttime is field 22).
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ')[19]
  } catch {
    return undefined
  }
}
