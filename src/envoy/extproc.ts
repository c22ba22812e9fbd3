import type { Exchange, LocalAnswer, Piece, Plan } from '../protocol.ts'
import { exhaustedUpstream, metadataNamespace, requestIdHeader } from './names.ts'
import type { PlanStore } from './plans.ts'
import {
  encodeBody,
  encodeImmediate,
  encodeRequestTransform,
  encodeResponseTransform,
  type ProcessingMessage,
} from './wire/process.ts'

const noBytes = new Uint8Array(0)
/** An answer that is under way when its time is over may say so for as long, ms. */
const lastWordMs = 1_000
/** What a timer of Node's can wait, ms. */
const longestTimer = 2 ** 31 - 1

/** What a processing stream can do with its gRPC call. */
export interface ProcessingCall {
  write(message: Uint8Array): unknown
  /** Ends the call well: nothing more is to be processed. */
  end(): void
}

/**
 * Stage 2 (envoy.service.ext_proc.v3.ExternalProcessor/Process): one stream an attempt. It binds the stream to its
 * plan by request id and upstream, and lets the protocol's Exchange answer each message.
 */
export class ProcessingStream {
  readonly #call: ProcessingCall
  readonly #plans: PlanStore
  readonly #report: (error: unknown, requestId: string) => void
  #id = ''
  #exchange: Exchange | undefined
  #ended = false
  /** Body pieces that Envoy waits to hear of. */
  #heldPieces = 0
  /** What came while a piece was being looked at; undefined: none is. Envoy's own buffers bound it. */
  #waiting: ProcessingMessage[] | undefined
  #deadline: NodeJS.Timeout | undefined

  /** @param report told of what goes wrong here; the client gets a 503 */
  constructor(call: ProcessingCall, plans: PlanStore, report: (error: unknown, requestId: string) => void) {
    this.#call = call
    this.#plans = plans
    this.#report = report
  }

  /** Takes the next message. Never throws. */
  receive(message: ProcessingMessage): void {
    if (this.#ended) return
    if (this.#waiting) {
      this.#waiting.push(message)
      return
    }
    try {
      switch (message.type) {
        case 'requestHeaders':
          this.#begin(message)
          return
        case 'responseHeaders': {
          const exchange = this.#expectExchange()
          const head = exchange.head(Number(message.headers.get(':status')), message.headers)
          if (head) this.#call.write(encodeResponseTransform(head))
          else this.#heldPieces = 0
          if (message.last) {
            if (head) this.#finish(true)
            else this.#settle(exchange.data(noBytes, true), true, true)
          }
          return
        }
        case 'responseBody':
          this.#settle(this.#expectExchange().data(message.chunk, message.last), message.last, false)
          return
        case 'other':
          throw new Error('Envoy sent a message that its configuration does not ask for')
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The call is over: Envoy reset it, or it ended. Idempotent. */
  closed(): void {
    if (!this.#ended) this.#finish(false, false)
  }

  #begin(message: ProcessingMessage & { type: 'requestHeaders' }): void {
    this.#id = message.headers.get(requestIdHeader) ?? ''
    const plan = this.#plans.begin(this.#id)
    if (!plan) throw new Error('no plan for this request')
    const upstream = upstreamOf(message.upstream)
    if (upstream === exhaustedUpstream) {
      const answer = plan.exhausted()
      if (answer instanceof Promise)
        answer.then(
          (settled) => this.#answerExhausted(settled),
          (error) => this.#fail(error),
        )
      else this.#answerExhausted(answer)
      return
    }
    this.#exchange = plan.attempt(upstream, message.headers)
    if (plan.endsAt !== undefined) {
      const left = Math.min(plan.endsAt - performance.now(), longestTimer)
      this.#deadline = setTimeout(() => this.#expire(plan), left).unref()
    }
    const transform = this.#exchange.request()
    if (transform instanceof Promise)
      transform.then(
        (settled) => this.#forward(settled),
        (error) => this.#fail(error),
      )
    else this.#forward(transform)
  }

  #answerExhausted(answer: LocalAnswer): void {
    if (this.#ended) return
    this.#call.write(encodeImmediate(answer))
    this.#ended = true
    this.#plans.end(this.#id, false)
    this.#call.end()
  }

  #forward(transform: Awaited<ReturnType<Exchange['request']>>): void {
    if (this.#ended) return
    if (transform.type === 'forward') this.#call.write(encodeRequestTransform(transform))
    else {
      this.#call.write(encodeImmediate(transform.answer))
      this.#finish(true)
    }
  }

  /** Answers a piece, now or when what is made of it is known; until then the pieces after it wait. */
  #settle(piece: ReturnType<Exchange['data']>, last: boolean, bodiless: boolean): void {
    if (!(piece instanceof Promise)) {
      this.#answer(piece, bodiless)
      if (last) this.#finish(true)
      return
    }
    this.#waiting = []
    piece
      .then((settled) => {
        if (this.#ended) return
        this.#answer(settled, bodiless)
        if (last) this.#finish(true)
        const waiting = this.#waiting ?? []
        this.#waiting = undefined
        for (const message of waiting) this.receive(message)
      })
      .catch((error) => this.#fail(error))
  }

  /** @param bodiless whether the response had headers only, so that there is no piece to answer */
  #answer(piece: Piece | undefined, bodiless: boolean): void {
    if (!piece) {
      this.#heldPieces++
      return
    }
    if (piece.head) {
      this.#call.write(encodeResponseTransform(piece.head))
      // Envoy wants an answer to every message, in order.
      for (; this.#heldPieces > 0; this.#heldPieces--)
        this.#call.write(encodeBody(piece.held === 'drop' ? noBytes : undefined))
    }
    if (!bodiless) this.#call.write(encodeBody(piece.body))
  }

  #expectExchange(): Exchange {
    if (!this.#exchange) throw new Error('a response before its request')
    return this.#exchange
  }

  /** Envoy takes an answer at any time, also while it waits for the upstream; after the answer's head it cuts the client off. */
  #expire(plan: Plan): void {
    if (this.#ended) return
    const answer = plan.expired?.()
    if (answer) {
      this.#call.write(encodeImmediate(answer))
      this.#finish(true)
      return
    }
    this.#deadline = setTimeout(() => {
      if (this.#ended) return
      this.#call.write(encodeImmediate(lostRequest(this.#id)))
      this.#finish(false)
    }, lastWordMs).unref()
  }

  #fail(error: unknown): void {
    if (this.#ended) return
    this.#report(error, this.#id)
    this.#call.write(encodeImmediate(lostRequest(this.#id)))
    this.#finish(false)
  }

  #finish(complete: boolean, endCall = true): void {
    this.#ended = true
    clearTimeout(this.#deadline)
    const exchange = this.#exchange
    if (exchange) {
      exchange.closed(complete)
      this.#plans.end(this.#id, exchange.retriable)
    }
    if (endCall) this.#call.end()
  }
}

/** For what cannot happen unless the service lost its memory or a protocol has a bug. */
function lostRequest(id: string): LocalAnswer {
  return {
    status: 503,
    headers: [['content-type', 'application/json']],
    body: JSON.stringify({
      error: {
        message: 'The gateway lost the request on its way to a provider. Try again.',
        type: 'overloaded_error',
        param: null,
        code: 'gateway_unavailable',
      },
      request_id: id,
    }),
  }
}

const upstreams = new Map<string, string>()
const metadataPattern = new RegExp(
  `key:\\s*"${metadataNamespace}"[\\s\\S]*?key:\\s*"upstream"[\\s\\S]*?string_value:\\s*"((?:[^"\\\\]|\\\\.)*)"`,
)

/**
 * The upstream's id in the text-format metadata of the host that Envoy picked. There are as many different texts as
 * there are endpoints, so each is parsed once.
 * @throws {Error} where there is none: the request must not leave then
 */
export function upstreamOf(metadata: string): string {
  let upstream = upstreams.get(metadata)
  if (upstream === undefined) {
    upstream = metadataPattern.exec(metadata)?.[1]
    if (upstream === undefined) throw new Error(`no upstream id in the host's metadata: ${metadata.slice(0, 200)}`)
    if (upstreams.size > 10_000) upstreams.clear()
    upstreams.set(metadata, upstream)
  }
  return upstream
}
