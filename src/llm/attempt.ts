import {
  type Exchange,
  type LocalAnswer,
  longestAnswer,
  type Piece,
  type RequestTransform,
  type ResponseTransform,
} from '../protocol.ts'
import type { Target } from './compile.ts'
import type { Observed } from './dialect.ts'
import { clientDialects } from './dialects/index.ts'
import { ApiError } from './errors.ts'
import { localError } from './local.ts'
import type { Outgoing } from './outgoing.ts'
import type { LlmPlan } from './plan.ts'
import { credentialHeaders, type OutgoingRequest, vendorHeaders } from './providers/provider.ts'
import { chooseReply } from './replies/choose.ts'
import { nothing, type Outcome, type Reply } from './replies/reply.ts'
import { retryAfterMs } from './retry-after.ts'

/** What became of one attempt. */
export type AttemptResult =
  /** A usable answer began. */
  | 'answered'
  /** The target failed, and may be left for the next one. */
  | 'failed'
  /** The target refused for good: the client's error. */
  | 'refused'
  /** No response came, or the client went away before it. */
  | 'silent'
  /** It was never sent. */
  | 'unsent'

/** Headers of a client's request that no attempt sends on. Compression would hide the figures. */
const removedRequestHeaders: readonly string[] = [
  ...credentialHeaders,
  ...vendorHeaders,
  'accept-encoding',
  'expect',
  'x-forwarded-client-cert',
  'chaperone-delegation',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-envoy-external-address',
]

/** Response headers that speak of the gateway's own account or session with the provider. */
const removedResponseHeaders: readonly string[] = [
  'set-cookie',
  'openai-organization',
  'openai-project',
  'anthropic-organization-id',
  'alt-svc',
  // Which pages may read what this gateway says is not for providers to decide.
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-expose-headers',
  'access-control-max-age',
]

/** One attempt of a plan at one target. */
export class Attempt implements Exchange {
  readonly #plan: LlmPlan
  readonly target: Target
  readonly #outgoing: Outgoing | ApiError
  readonly #began = performance.now()
  readonly seen: Observed = { finishReasons: [] }
  result: AttemptResult = 'silent'
  /** The upstream's own status; 0: none came. */
  status = 0
  /** Milliseconds to the first byte of the response; undefined: none came. */
  firstByteMs: number | undefined
  endedMs: number | undefined
  /** The error the client gets if this is the last attempt. */
  error: ApiError | undefined
  /** Bytes of the answer sent on, for an estimate where it was cut. */
  answerBytes = 0
  #reply: Reply | undefined
  #headGone = false
  #failed = false
  /** The end of an answer that has to end now: told once. */
  #lastWord: Uint8Array | undefined

  constructor(plan: LlmPlan, target: Target, outgoing: Outgoing | ApiError) {
    this.#plan = plan
    this.target = target
    this.#outgoing = outgoing
    target.health.started()
  }

  get drops(): readonly string[] {
    return this.#outgoing instanceof ApiError ? [] : this.#outgoing.drops
  }

  get retriable(): boolean {
    // When no target is left, Envoy still comes once more, to be told so.
    return this.result === 'failed' || this.result === 'silent'
  }

  request(): RequestTransform | Promise<RequestTransform> {
    const outgoing = this.#outgoing
    if (outgoing instanceof ApiError) {
      this.result = 'unsent'
      this.error = outgoing
      return { type: 'answer', answer: this.#localAnswer(outgoing) }
    }
    const { provider } = this.target
    const request: OutgoingRequest = {
      method: 'POST',
      scheme: provider.scheme,
      authority: provider.authority,
      path: outgoing.route.path,
      headers: { 'content-type': 'application/json' },
      body: outgoing.body,
    }
    try {
      const pending = provider.authorize(request, this.#plan.request.headers)
      if (pending instanceof Promise)
        return pending.then(
          () => forward(request, outgoing),
          (error) => this.#noCredential(error),
        )
      return forward(request, outgoing)
    } catch (error) {
      return this.#noCredential(error)
    }
  }

  head(status: number, headers: ReadonlyMap<string, string>): ResponseTransform | undefined {
    const now = performance.now()
    this.status = status
    this.firstByteMs = now - this.#began
    const contentType = headers.get('content-type') ?? ''
    const ok = status >= 200 && status < 300
    if (!ok && isRetriable(status)) {
      this.#targetFailed(now, status === 429 || status === 503 ? retryAfterMs(headers, Date.now()) : undefined)
      if (this.#plan.mayRetry) {
        // Envoy sees the status and goes on to the next target; nothing of this response reaches the client.
        this.#headGone = true
        return { set: [], remove: [] }
      }
    } else if (!ok) this.result = 'refused'
    this.#reply = chooseReply(
      this.#plan.request,
      this.#outgoing as Outgoing,
      this.seen,
      status,
      contentType,
      () => this.#plan.answerContext(),
      this.#plan.guards,
    )
    return undefined
  }

  data(chunk: Uint8Array, last: boolean): Piece | undefined | Promise<Piece | undefined> {
    if (this.#lastWord) {
      const body = this.#lastWord
      this.#lastWord = nothing
      return { body }
    }
    if (this.#failed || !this.#reply) return this.#headGone ? { body: nothing } : undefined
    try {
      const outcome = this.#reply.push(chunk, last)
      if (!(outcome instanceof Promise)) return this.#made(outcome, chunk, last)
      return outcome.then(
        (settled) => this.#made(settled, chunk, last),
        (error) => this.#made(this.#failure(error), chunk, last),
      )
    } catch (error) {
      return this.#made(this.#failure(error), chunk, last)
    }
  }

  #failure(error: unknown): Outcome {
    if (!(error instanceof ApiError) || this.#headGone) throw error
    return { type: 'fail', error }
  }

  #made(outcome: Outcome, chunk: Uint8Array, last: boolean): Piece | undefined {
    switch (outcome.type) {
      case 'hold':
        return undefined
      case 'send': {
        const piece: Piece = outcome.body ? { body: outcome.body } : {}
        this.answerBytes += outcome.body ? outcome.body.length : chunk.length
        if (this.answerBytes > longestAnswer) throw new Error(`the answer is longer than ${longestAnswer} bytes`)
        if (this.#headGone) return piece
        this.#headGone = true
        this.#answered()
        piece.head = this.#goodHead(last)
        piece.held = outcome.held
        return piece
      }
      case 'fail':
        return this.#fail(outcome.error)
    }
  }

  closed(complete: boolean): void {
    if (this.endedMs !== undefined) return
    this.endedMs = performance.now() - this.#began
    this.target.health.ended()
    this.#plan.attemptEnded(this, complete)
  }

  /** The rest of the answer may not go to the client any more: it gets the error, where it reads events. */
  cutOff(error: ApiError): void {
    this.error = error
    const { format, stream } = this.#plan.request
    if (!stream || format === 'openai-embeddings') {
      this.#lastWord = nothing
      return
    }
    const { status, code, type, message } = error
    const writer = clientDialects[format].writeStream(this.#plan.answerContext())
    this.#lastWord = Buffer.from(writer.write([{ type: 'error', error: { status, code: code ?? type, message } }]))
  }

  /** Called when it has become clear that this attempt, which nothing came of, was the target's failure. */
  blame(): void {
    if (this.result !== 'silent') return
    this.#targetFailed(performance.now(), undefined)
  }

  #answered(): void {
    this.result = 'answered'
    this.target.health.succeeded(this.#began, this.firstByteMs ?? 0)
    this.#plan.answering(this)
  }

  #targetFailed(now: number, waitMs: number | undefined): void {
    this.result = 'failed'
    this.target.health.failed(this.#began, now, waitMs)
  }

  /** The answer turned out to be an error before any of it was sent. */
  #fail(error: ApiError): Piece {
    this.#failed = true
    this.#headGone = true
    this.error = error
    if (this.result === 'silent') {
      if (isRetriable(error.status)) this.#targetFailed(performance.now(), undefined)
      else this.result = 'refused'
    }
    if (this.result === 'failed')
      // The response's own status may have been 200: with this one Envoy goes on to the next target, or to the end
      // of the pool, where the plan tells the client.
      return { head: { set: [[':status', String(error.status)]], remove: [] }, held: 'drop', body: nothing }
    const { status, headers, body } = this.#localAnswer(error)
    return {
      head: { set: [[':status', String(status)], ...headers], remove: [...removedResponseHeaders, 'content-encoding'] },
      held: 'drop',
      body: Buffer.from(body),
    }
  }

  #goodHead(complete: boolean): ResponseTransform {
    const set: [string, string][] = []
    const outgoing = this.#outgoing as Outgoing
    if (this.#plan.request.stream) set.push(['cache-control', 'no-cache'])
    if (outgoing.route.dialect !== this.#plan.request.format)
      set.push(['content-type', this.#plan.request.stream ? 'text/event-stream; charset=utf-8' : 'application/json'])
    set.push(...this.#plan.answerHeaders(this, complete))
    return { set, remove: removedResponseHeaders }
  }

  #noCredential(error: unknown): RequestTransform {
    this.result = 'unsent'
    if (error instanceof ApiError) {
      this.error = error
      return { type: 'answer', answer: this.#localAnswer(error) }
    }
    this.#plan.report(error)
    this.error = new ApiError(
      502,
      'api_error',
      `This gateway has no working credentials for the provider ${this.target.provider.name}. Tell its operator.`,
      { code: 'provider_credentials', cause: error },
    )
    return { type: 'answer', answer: this.#localAnswer(this.error) }
  }

  #localAnswer(error: ApiError): LocalAnswer {
    const answer = localError(this.#plan.request.format, error, this.#plan.id)
    answer.headers.push(...this.#plan.triedHeaders())
    return answer
  }
}

function forward(request: OutgoingRequest, outgoing: Outgoing): RequestTransform {
  const set: [string, string][] = [
    [':path', request.path],
    [':authority', request.authority],
  ]
  for (const name in request.headers) set.push([name, request.headers[name]!])
  // Envoy drops the old length with the old body, and keeps it with the client's own.
  return outgoing.unchanged
    ? { type: 'forward', set, remove: removedRequestHeaders }
    : { type: 'forward', set, remove: removedRequestHeaders, body: outgoing.body }
}

/** Statuses that say something of the target rather than of the request. Envoy's retry policy has the same ones. */
export function isRetriable(status: number): boolean {
  return status >= 500 || status === 429 || status === 408
}
