import type { GuardSession } from '../guards/guards.ts'
import type { Ticket } from '../limits/admission.ts'
import type { Exchange, LocalAnswer, Plan } from '../protocol.ts'
import type { Caller, RefusalRecord, RequestRecord } from '../telemetry/record.ts'
import { Attempt } from './attempt.ts'
import type { ClientRequest } from './client-request.ts'
import type { Model, Target } from './compile.ts'
import type { Usage } from './conversation.ts'
import type { AnswerContext } from './dialect.ts'
import { ApiError } from './errors.ts'
import { localError } from './local.ts'
import { asksForUsage, type Outgoing, writeOutgoing } from './outgoing.ts'
import type { Cost } from './prices.ts'

/** What a plan needs of the world. */
export interface LlmContext {
  /** Told once of every request that got a plan. */
  finished(record: RequestRecord): void
  /** Told once of every request that got none. */
  refused(record: RefusalRecord): void
  /** Told of what the operator should know. */
  report(error: unknown, requestId: string): void
  cost(target: Target, model: string, usage: Usage): Cost | undefined
  /** The revision of the rules, where they come from a store. */
  readonly revision?: number | undefined
}

/** What a request's rules have to do with its answer. */
export interface Governed {
  /** The guards that look at it. */
  session?: GuardSession | undefined
  /** What limits and budgets have reserved. */
  ticket?: Ticket | undefined
  /** For the answer: x-ratelimit-*. */
  headers?: readonly [name: string, value: string][] | undefined
  /** When the time of the tree that it is part of is over: performance.now(), and what the client is told then. */
  deadline?: { readonly endsAt: number; readonly error: ApiError } | undefined
  /** The budget that put another model in the place of the one asked for. */
  downgraded?: string | undefined
  /** The rules that had a part in it before limits were asked, by their paths. */
  rules?: readonly string[] | undefined
}

/** The response header that lists the targets a request was tried on, with what each said. */
const triedHeader = 'x-chaperone-tried'

/** A chat, completion, embedding or count on its way through its targets. */
export class LlmPlan implements Plan {
  readonly id: string
  readonly pool: string
  readonly routeClass: string
  readonly request: ClientRequest
  /** The guards that look at the answer. */
  readonly guards: GuardSession | undefined
  readonly #asked: string
  readonly #caller: Caller
  readonly #governed: Governed
  readonly #model: Model
  readonly #order: readonly Target[]
  readonly #context: LlmContext
  readonly #arrived: number
  #traceparent: string | undefined
  readonly #startMs = Date.now()
  readonly #attempts: Attempt[] = []
  /** Index into the order of the last attempt. */
  #position = -1
  /** What was written for the first target when the plan was made. */
  #first: Outgoing | ApiError | undefined
  #answering: Attempt | undefined
  /** What the client was told when every target had failed. */
  #exhausted: ApiError | undefined
  #complete = false
  #closed = false

  constructor(options: {
    id: string
    request: ClientRequest
    /** The model's name as the client wrote it. */
    asked: string
    caller: Caller
    governed?: Governed
    model: Model
    order: { targets: readonly Target[]; pool: { id: string } }
    first: Outgoing | ApiError
    context: LlmContext
    /** performance.now() at arrival. */
    arrived: number
    traceparent: string | undefined
  }) {
    this.id = options.id
    this.request = options.request
    this.#asked = options.asked
    this.#caller = options.caller
    this.#governed = options.governed ?? {}
    const { session } = this.#governed
    this.guards = session?.onResponse ? session : undefined
    this.pool = options.order.pool.id
    this.routeClass = options.model.routeClass.id
    this.#model = options.model
    this.#order = options.order.targets
    this.#first = options.first
    this.#context = options.context
    this.#arrived = options.arrived
    this.#traceparent = options.traceparent
  }

  get endsAt(): number | undefined {
    return this.#governed.deadline?.endsAt
  }

  expired(): LocalAnswer | undefined {
    const error = this.#governed.deadline!.error
    if (this.#answering) {
      this.#answering.cutOff(error)
      return undefined
    }
    this.#exhausted = error
    this.#complete = true
    return localError(this.request.format, error, this.id)
  }

  /** Whether a target is left after the ones tried so far. */
  get mayRetry(): boolean {
    return this.#position < this.#order.length - 1
  }

  attempt(upstream: string, headers: ReadonlyMap<string, string>): Exchange {
    const traceparent = headers.get('traceparent')
    if (traceparent !== undefined) this.#traceparent = traceparent
    // Envoy goes through the pool in order, but skips members that have no host.
    let position = this.#position + 1
    while (position < this.#order.length && this.#order[position]!.upstream.id !== upstream) position++
    const target = this.#order[position]
    if (!target) throw new Error(`${upstream} is not among the targets left of this plan`)
    this.#position = position
    // The attempts before this one failed, or it would not have come.
    this.#attempts.at(-1)?.blame()
    const outgoing = position === 0 && this.#first ? this.#first : this.#write(target)
    const attempt = new Attempt(this, target, outgoing)
    this.#attempts.push(attempt)
    return attempt
  }

  exhausted(): LocalAnswer {
    const last = this.#attempts.at(-1)
    last?.blame()
    const error =
      last?.error ??
      new ApiError(503, 'overloaded_error', 'No provider of this model answered in time. Try again in a moment.', {
        code: 'upstream_unreachable',
      })
    this.#exhausted = error
    this.#complete = true
    const answer = localError(this.request.format, error, this.id)
    answer.headers.push(...this.triedHeaders(), ...this.#ruleHeaders())
    return answer
  }

  /** An answer of this attempt has begun to go to the client: no other will follow. */
  answering(attempt: Attempt): void {
    this.#answering = attempt
    this.#first = undefined
  }

  /** What an attempt that failed says, when it ends after the answer or the refusal came, is of no account. */
  attemptEnded(attempt: Attempt, complete: boolean): void {
    if (this.#exhausted || (this.#answering && this.#answering !== attempt)) return
    this.#complete = complete
  }

  answerContext(): AnswerContext {
    return {
      model: this.request.model,
      created: Math.floor(this.#startMs / 1000),
      id: this.id.replaceAll('-', ''),
      includeUsage: this.request.operation !== 'chat' || asksForUsage(this.request.json),
      request: this.request.json,
    }
  }

  /** @param complete whether the whole answer is known, so that its figures are */
  answerHeaders(attempt: Attempt, complete: boolean): [string, string][] {
    const { target, seen } = attempt
    const headers: [string, string][] = [
      ['x-chaperone-provider', target.provider.name],
      ['x-chaperone-model', headerText(this.#modelAt(target))],
    ]
    if (this.#attempts.length > 1) headers.push(...this.triedHeaders())
    headers.push(...this.#ruleHeaders())
    const { usage } = seen
    if (complete && usage) {
      headers.push(
        ['x-chaperone-input-tokens', String(usage.input)],
        ['x-chaperone-output-tokens', String(usage.output)],
      )
      if (usage.cachedInput) headers.push(['x-chaperone-cached-input-tokens', String(usage.cachedInput)])
      if (usage.reasoning) headers.push(['x-chaperone-reasoning-tokens', String(usage.reasoning)])
      const cost = this.#context.cost(target, this.#modelAt(target), usage)
      if (cost) headers.push(['x-chaperone-cost-usd', formatUsd(cost.usd)])
    }
    return headers
  }

  triedHeaders(): [string, string][] {
    if (this.#attempts.length === 0) return []
    return [
      [
        triedHeader,
        this.#attempts
          .map(
            (attempt) =>
              `${attempt.target.provider.name}/${headerText(this.#modelAt(attempt.target))}=${headerText(outcomeOf(attempt))}`,
          )
          .join(', '),
      ],
    ]
  }

  #ruleHeaders(): [string, string][] {
    const { headers, downgraded } = this.#governed
    if (downgraded === undefined) return headers ? [...headers] : []
    return [...(headers ?? []), ['x-chaperone-downgraded', downgraded]]
  }

  report(error: unknown): void {
    this.#context.report(error, this.id)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    const record = this.#record()
    const { usage, cost } = record
    this.#governed.ticket?.settle({
      tokens: usage ? amount(usage.input + usage.output) : 0,
      nanoUsd: cost ? amount(cost.usd * 1_000_000_000) : 0,
    })
    this.#context.finished(record)
  }

  #modelAt(target: Target): string {
    return target.model ?? this.request.model
  }

  #write(target: Target): Outgoing | ApiError {
    try {
      return writeOutgoing(this.request, target.provider, this.#modelAt(target))
    } catch (error) {
      if (error instanceof ApiError) return error
      throw error
    }
  }

  /**
   * What an answer took that does not say it: one that was cut, or a provider's that tells no figures. Nothing would
   * let its tokens go past every budget. Counting tokens costs none.
   */
  #estimate(answered: Attempt): Usage | undefined {
    return this.request.operation === 'count_tokens' ? undefined : estimate(this.request, answered)
  }

  #record(): RequestRecord {
    const last = this.#attempts.at(-1)
    const answered = this.#answering
    const usage = answered && (answered.seen.usage ?? this.#estimate(answered))
    const target = (answered ?? last)?.target
    const model = target && this.#modelAt(target)
    const cost = usage && target ? this.#context.cost(target, model!, usage) : undefined
    const aborted = !this.#complete
    return {
      requestId: this.id,
      operation: this.request.operation,
      model: this.#model.name,
      requestModel: this.#asked,
      caller: this.#caller,
      downgraded: this.#governed.downgraded,
      rules: partsOf(this.#governed),
      revision: this.#context.revision,
      provider: target?.provider.name,
      providerType: target?.provider.type,
      targetModel: model,
      responseModel: answered?.seen.model,
      stream: this.request.stream,
      status: answered?.status ?? this.#exhausted?.status ?? last?.error?.status ?? 0,
      errorType: last?.error?.type ?? this.#exhausted?.type,
      errorCode: answered?.seen.error ?? last?.error?.code ?? this.#exhausted?.code,
      attempts: this.#attempts.map((attempt) => ({
        provider: attempt.target.provider.name,
        model: this.#modelAt(attempt.target),
        outcome: outcomeOf(attempt),
        durationMs: attempt.endedMs ?? 0,
      })),
      startMs: this.#startMs,
      durationMs: performance.now() - this.#arrived,
      firstByteMs: answered?.firstByteMs,
      usage,
      cost,
      finishReasons: answered?.seen.finishReasons ?? [],
      aborted,
      drops: answered ? [...answered.drops] : [],
      traceparent: this.#traceparent,
    }
  }
}

/** The rules that had a part in a request, in the order they were asked. */
function partsOf({ rules, session, ticket }: Governed): readonly string[] | undefined {
  if (!rules && !ticket) return undefined
  return [...(rules ?? []), ...(session?.findings ?? []), ...(ticket?.rules ?? [])]
}

function outcomeOf(attempt: Attempt): string {
  if (attempt.status > 0)
    return attempt.error && attempt.error.status !== attempt.status
      ? `${attempt.status}/${attempt.error.code ?? attempt.error.status}`
      : String(attempt.status)
  return attempt.error?.code ?? 'no_response'
}

/** A rough count where the provider's own never came: four bytes of text a token, the common rule of thumb. */
function estimate(request: ClientRequest, attempt: Attempt): Usage {
  return {
    input: Math.ceil(request.bytes.length / 4),
    output: Math.ceil(attempt.answerBytes / 4),
    estimated: true,
  }
}

/** A whole number that can be added up: a provider that reports nonsense must not make a budget's count infinite. */
function amount(value: number): number {
  return value > 0 ? Math.min(Math.round(value), longestAmount) : 0
}

/** More than any request can take, and little enough that millions of them are still exact. */
const longestAmount = 1_000_000_000_000

/** Longest piece of a header that the client's or the provider's words are put into. */
const longestWord = 200

/** Names and codes as a header can carry them: Envoy would refuse the whole answer for one line break. */
function headerText(text: string): string {
  return text
    .slice(0, longestWord)
    .replace(/[^\x20-\x7e]+/g, (hidden) => Buffer.from(hidden).toString('hex').replace(/../g, '%$&').toUpperCase())
}

function formatUsd(usd: number): string {
  return usd.toFixed(10).replace(/0+$/, '').replace(/\.$/, '')
}
