import type {
  Decision,
  Exchange,
  LocalAnswer,
  Piece,
  Plan,
  RequestTransform,
  ResponseTransform,
} from '../../protocol.ts'
import type { Era } from '../protocol.ts'
import { type CarriedRequest, type CarriedResponse, type Carrier, ConnectionFailed } from '../server/carrier.ts'
import { LateSink } from './late-sink.ts'
import { PushedBody } from './pushed-body.ts'
import type { Reply } from './reply.ts'
import { ResponseSink } from './reply-sink.ts'

/** The longest answer that stage 1 gives, characters; longer ones come from the responder. */
const longestAnswer = 64 * 1024
/** How much of an answer Envoy holds back before its head must be known, bytes. */
const mostHeld = 128 * 1024
/** An attempt that failed is followed by another at once; where none comes, the client has gone away. */
const nextAttemptMs = 250
/** Envoy brings a request to the responder at once; what does not come has lost its client. */
const patienceMs = 15_000
/** Envoy's own, and what it counts by. */
const keptRequestHeaders: ReadonlySet<string> = new Set(['x-request-id', 'traceparent', 'tracestate', 'content-length'])
const keptResponseHeaders: ReadonlySet<string> = new Set([':status', 'x-request-id', 'date'])
const none = Buffer.alloc(0)

/**
 * One message of a client, worked on from stage 1 on. What becomes of it shows itself at once:
 *
 * - it is answered: stage 1 gives the answer;
 * - one server is asked as it stands: the client's own request carries the call there, stage 2 writes what the server is to
 *   see, and what comes back goes through whoever works on it, piece by piece;
 * - anything else: the responder answers.
 *
 * Whoever works on it need not know which: it writes a reply, and reads what a server answers.
 */
export class DirectCall implements Carrier, Plan {
  readonly id: string
  readonly era: Era
  readonly sink: LateSink
  readonly #controller = new AbortController()
  #settle: ((decision: Decision) => void) | undefined
  #decided = false
  #carried: Carried | undefined

  /** @param era the client's */
  constructor(id: string, era: Era) {
    this.id = id
    this.era = era
    this.sink = new LateSink(this.#controller.signal)
  }

  /** Aborted when the client goes away. */
  get gone(): AbortSignal {
    return this.#controller.signal
  }

  /**
   * Stage 1's answer, which waits for nothing that is not there already.
   * @param keepAliveMs the longest silence of the responder
   */
  decision(reply: Reply, keepAliveMs: number): Decision | Promise<Decision> {
    const now = this.#known()
    if (now) {
      this.#decided = true
      return now
    }
    return new Promise((resolve) => {
      const settle = (decision: Decision) => {
        if (this.#decided) return
        this.#decided = true
        resolve(decision)
      }
      this.#settle = settle
      // What needs not to wait for the world has come by then.
      setImmediate(() => settle(this.#known() ?? this.#responded(reply, keepAliveMs)))
    })
  }

  take(request: CarriedRequest): Promise<CarriedResponse> | undefined {
    if (this.#decided || this.#carried) return undefined
    const carried = new Carried(request, this.sink, () => this.#leave())
    this.#carried = carried
    this.#settle?.({ type: 'plan', plan: this })
    return carried.response
  }

  get pool(): string {
    return this.#expectCarried().request.pool
  }

  get routeClass(): string {
    return this.#expectCarried().request.routeClass
  }

  get destination(): string {
    return this.#expectCarried().request.destination
  }

  attempt(upstream: string, headers: ReadonlyMap<string, string>): Exchange {
    const carried = this.#expectCarried()
    if (upstream !== carried.request.upstream) throw new Error(`the call is not for ${upstream}`)
    return carried.tried ? new SecondExchange(() => this.exhausted()) : carried.attempt(headers)
  }

  async exhausted(): Promise<LocalAnswer> {
    this.#expectCarried().unreachable()
    await new Promise<void>((resolve) => this.sink.whenEnded(resolve))
    return this.#answer()
  }

  close(): void {
    if (!this.sink.ended) this.#leave()
  }

  /** The responder goes on with the reply, however far it is. */
  #responded(reply: Reply, keepAliveMs: number): Decision {
    const timer = setTimeout(() => this.#leave(), patienceMs)
    timer.unref()
    return {
      type: 'respond',
      respond: (_, response) => {
        clearTimeout(timer)
        response.on('close', () => {
          if (!response.writableFinished) this.#leave()
        })
        this.sink.attach(new ResponseSink(response))
        reply.keepAlive(keepAliveMs)
      },
    }
  }

  #known(): Decision | undefined {
    if (this.sink.ended && this.sink.length <= longestAnswer) return { type: 'answer', answer: this.#answer() }
    return this.#carried && { type: 'plan', plan: this }
  }

  #answer(): LocalAnswer {
    const { status, headers } = this.sink.begun ?? { status: 202, headers: [] }
    return { status, headers: headers.map(([name, value]) => [name, value]), body: this.sink.taken() }
  }

  #expectCarried(): Carried {
    if (!this.#carried) throw new Error('no server was to be asked')
    return this.#carried
  }

  #leave(): void {
    this.#controller.abort(new Error('the client went away'))
  }
}

/** The call that a client's request carries to a server, and the server's answer on its way back. */
class Carried {
  readonly request: CarriedRequest
  readonly response: Promise<CarriedResponse>
  readonly #sink: LateSink
  readonly #leave: () => void
  readonly #body = new PushedBody()
  #resolve: (response: CarriedResponse) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined
  #deadline: NodeJS.Timeout | undefined
  #tried = false

  /** @param leave called when the client has gone away */
  constructor(request: CarriedRequest, sink: LateSink, leave: () => void) {
    this.request = request
    this.#sink = sink
    this.#leave = leave
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.response.catch(() => undefined)
    const { signal } = request
    const stop = () => this.#fail(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  }

  /** Whether it was on its way once. */
  get tried(): boolean {
    return this.#tried
  }

  attempt(requestHeaders: ReadonlyMap<string, string>): Exchange {
    this.#tried = true
    return new CarriedExchange(this, this.#sink, this.#body, requestHeaders)
  }

  answered(status: number, headers: ReadonlyMap<string, string>): void {
    this.#resolve({ status, headers: Object.fromEntries(headers), body: this.#body })
  }

  /** The attempt ended before the answer was whole. @param seen whether the client has seen some of it */
  broken(seen: boolean): void {
    if (seen) this.#leave()
    else this.#deadline = setTimeout(this.#leave, nextAttemptMs)
  }

  /** There is no answer of the server, and the client waits. */
  unreachable(): void {
    clearTimeout(this.#deadline)
    this.#fail(new ConnectionFailed())
  }

  #fail(error: unknown): void {
    this.#reject(error)
    this.#body.fail(error)
  }
}

/**
 * A call is carried once. An Envoy whose pools do not end in the service comes to the server again where it got no answer, and
 * is told then what the client is to know.
 */
class SecondExchange implements Exchange {
  readonly retriable = false
  readonly #answer: () => Promise<LocalAnswer>

  constructor(answer: () => Promise<LocalAnswer>) {
    this.#answer = answer
  }

  async request(): Promise<RequestTransform> {
    return { type: 'answer', answer: await this.#answer() }
  }

  head(): never {
    throw new Error('nothing was asked')
  }

  data(): never {
    throw new Error('nothing was asked')
  }

  closed(): void {}
}

/** Stage 2 of a carried call. */
class CarriedExchange implements Exchange {
  readonly #carried: Carried
  readonly #sink: LateSink
  readonly #body: PushedBody
  readonly #requestHeaders: ReadonlyMap<string, string>
  #responseNames: readonly string[] = []
  #headSent = false
  /** The head had to be sent before it was known. */
  #guessed = false
  #held = 0
  #complete = false

  constructor(carried: Carried, sink: LateSink, body: PushedBody, requestHeaders: ReadonlyMap<string, string>) {
    this.#carried = carried
    this.#sink = sink
    this.#body = body
    this.#requestHeaders = requestHeaders
  }

  get retriable(): boolean {
    return !this.#headSent && !this.#complete
  }

  /** The server sees what is written for it, and nothing that the client sent beside it. */
  request(): RequestTransform {
    const { path, authority, headers, body } = this.#carried.request
    const set: [string, string][] = [
      [':path', path],
      [':authority', authority],
    ]
    const named = new Set<string>()
    for (const [name, value] of headers) {
      // Envoy's own span is the one that the server's is to join.
      if (name === 'traceparent' || name === 'tracestate') continue
      named.add(name)
      set.push([name, value])
    }
    const remove = [...this.#requestHeaders.keys()].filter(
      (name) => !name.startsWith(':') && !keptRequestHeaders.has(name) && !named.has(name),
    )
    return { type: 'forward', set, remove, body: Buffer.from(body) }
  }

  head(status: number, headers: ReadonlyMap<string, string>): undefined {
    this.#responseNames = [...headers.keys()]
    this.#carried.answered(status, headers)
  }

  data(chunk: Uint8Array, last: boolean): Piece | undefined | Promise<Piece | undefined> {
    // Envoy's message is read over by the next one.
    if (!this.#sink.ended && chunk.length > 0) this.#body.push(Buffer.from(chunk))
    if (last) this.#body.end()
    if (this.#sink.ended) return this.#piece(chunk.length)
    return new Promise((resolve) => {
      let done = false
      const next = () => {
        if (done) return
        done = true
        resolve(this.#piece(chunk.length))
      }
      this.#sink.whenEnded(next)
      if (!last) this.#body.whenIdle(next)
    })
  }

  closed(complete: boolean): void {
    this.#complete = complete
    if (!complete && !this.#sink.ended) this.#carried.broken(this.#headSent)
  }

  #piece(length: number): Piece | undefined {
    const { begun } = this.#sink
    if (this.#headSent) {
      if (this.#guessed && begun?.headers.some(([, value]) => value === 'text/event-stream'))
        throw new Error('a message before the answer is too long for Envoy to hold its head back')
      return { body: this.#text() }
    }
    // What comes before the answer waits for it, so that a server that dies in between can still be told of.
    if (begun && (this.#sink.ended || this.#sink.urgent))
      return { head: this.#transform(begun.status, begun.headers), held: 'drop', body: this.#text() }
    this.#held += length
    if (this.#held < mostHeld) return undefined
    // Envoy holds no more.
    if (begun) return { head: this.#transform(begun.status, begun.headers), held: 'drop', body: this.#text() }
    // What is this long is the answer.
    this.#guessed = true
    return { head: this.#transform(200, [['content-type', 'application/json']]), held: 'drop', body: none }
  }

  #text(): Uint8Array {
    const text = this.#sink.taken()
    return text === '' ? none : Buffer.from(text)
  }

  #transform(status: number, headers: readonly (readonly [string, string])[]): ResponseTransform {
    this.#headSent = true
    const names = new Set(headers.map(([name]) => name))
    return {
      set: [[':status', String(status)], ...headers.map(([name, value]): [string, string] => [name, value])],
      remove: this.#responseNames.filter((name) => !keptResponseHeaders.has(name) && !names.has(name)),
    }
  }
}
