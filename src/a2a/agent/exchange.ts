import type { JsonObject } from '../../json.ts'
import { type EgressResponse, readAll } from '../../mcp/server/egress.ts'
import { type SseEvent, SseParser } from '../../sse.ts'
import type { AgentInterface } from '../card/read-card.ts'
import { A2aError } from '../errors.ts'
import { type A2aOperation, isStreaming } from '../operations.ts'
import { readAnswer, readEvent } from '../translate/answer.ts'
import { writeRequest } from '../translate/wire.ts'
import type { Agent } from './agent.ts'
import type { AgentCredentials } from './credentials.ts'

/** One call of an agent, on whichever wire it speaks. */

/** The longest answer that is read whole, bytes. */
const longestAnswer = 16 * 1024 * 1024
/** The longest error before a stream, bytes. */
const longestError = 256 * 1024

export interface Asked {
  readonly operation: A2aOperation
  /** In the neutral form. */
  readonly params: JsonObject
  readonly extensions: readonly string[]
  /** For the agent, beside what its wire wants: trace context, delegation. */
  readonly headers: readonly (readonly [string, string])[]
}

/** What an agent answered: one result, or events as they come. */
export type Answered =
  | { readonly type: 'result'; readonly value: JsonObject; readonly extensions: string | undefined }
  | { readonly type: 'stream'; readonly events: AsyncIterable<JsonObject>; readonly extensions: string | undefined }

/**
 * Asks an agent.
 * @param gone aborts where nobody wants the answer any more
 * @throws {A2aError} the agent's own, or what kept it from answering. The stream's events throw the same.
 */
export async function exchange(
  agent: Agent,
  one: AgentInterface,
  asked: Asked,
  credentials: AgentCredentials,
  gone: AbortSignal,
): Promise<Answered> {
  const streaming = isStreaming(asked.operation)
  const timer = new Deadline(streaming ? agent.streamIdleMs : agent.callTimeoutMs, gone)
  let handedOver = false
  try {
    const answer = await send(agent, one, asked, credentials, timer)
    const extensions = textOf(answer.headers['a2a-extensions'] ?? answer.headers['x-a2a-extensions'])
    const isStream = /^text\/event-stream\b/i.test(textOf(answer.headers['content-type']) ?? '')
    if (isStream && streaming && answer.status === 200) {
      handedOver = true
      return { type: 'stream', events: eventsOf(answer, asked.operation, one, timer), extensions }
    }
    const body = await readAll(answer.body, answer.status === 200 ? longestAnswer : longestError)
    const value = readAnswer(asked.operation, one, answer.status, body)
    // An agent that has all there is at once may say so without a stream.
    if (streaming) return { type: 'stream', events: once(value), extensions }
    return { type: 'result', value, extensions }
  } catch (error) {
    throw asA2a(error, timer)
  } finally {
    if (!handedOver) timer.stop()
  }
}

async function send(
  agent: Agent,
  one: AgentInterface,
  asked: Asked,
  credentials: AgentCredentials,
  timer: Deadline,
): Promise<EgressResponse> {
  const { tenant: _, ...params } = asked.params
  const { method, path, headers, body } = writeRequest(
    { ...asked, params: one.tenant === undefined ? params : { ...params, tenant: one.tenant } },
    one,
  )
  const url = new URL(one.url.href.replace(/\/$/, '') + path)
  // A base with a path of its own keeps it; one with nothing after the host is asked at its root.
  if (path === '' && one.url.href.endsWith('/')) url.pathname = one.url.pathname
  const sent = body.length === 0 ? null : body
  const ask = async () => {
    const shown = await credentials.headers()
    const answer = await agent.request(
      url,
      method,
      [...headers, ...asked.headers, ...shown].map(pair),
      sent,
      timer.signal,
    )
    return { shown, answer }
  }
  const first = await ask()
  const { status } = first.answer
  if (status !== 401 && status !== 403) return first.answer
  const wwwAuthenticate = textOf(first.answer.headers['www-authenticate'])
  if (!(await credentials.refused({ status, wwwAuthenticate, shown: first.shown }))) throw notTaken(agent.name)
  first.answer.body.destroy()
  const second = await ask()
  if (second.answer.status === 401) throw notTaken(agent.name)
  return second.answer
}

/** What the gateway shows is its operator's matter; the caller's own credentials are not what is wrong. */
const notTaken = (agent: string) =>
  new A2aError('unavailable', 'The agent does not take the gateway’s credentials; the gateway’s operator has to look', {
    rule: `a2a.agents.${agent}.credential`,
  })

async function* eventsOf(
  answer: EgressResponse,
  operation: A2aOperation,
  one: AgentInterface,
  timer: Deadline,
): AsyncGenerator<JsonObject> {
  const parser = new SseParser()
  const read = ({ event, data }: SseEvent) =>
    readEvent(operation, one, { type: event === '' ? 'message' : event, data })
  try {
    for await (const piece of answer.body as AsyncIterable<Uint8Array>) {
      timer.again()
      for (const event of parser.push(piece)) if (event.data !== '') yield read(event)
    }
    // An agent may leave out the last blank line; an event that was cut in the middle is no JSON.
    for (const event of parser.end()) if (event.data !== '') yield read(event)
  } catch (error) {
    throw asA2a(error, timer)
  } finally {
    timer.stop()
    answer.body.destroy()
  }
}

async function* once(value: JsonObject): AsyncGenerator<JsonObject> {
  yield value
}

/** Ends a call that takes too long, or that nobody wants any more. */
class Deadline {
  readonly #own = new AbortController()
  readonly #ms: number
  readonly signal: AbortSignal
  #timer: NodeJS.Timeout
  passed = false

  constructor(ms: number, gone: AbortSignal) {
    this.#ms = ms
    this.signal = AbortSignal.any([this.#own.signal, gone])
    this.#timer = this.#start()
  }

  again(): void {
    this.#timer.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #start(): NodeJS.Timeout {
    return setTimeout(() => {
      this.passed = true
      this.#own.abort()
    }, this.#ms)
  }
}

function asA2a(error: unknown, timer: Deadline): A2aError {
  if (error instanceof A2aError) return error
  if (timer.passed)
    return new A2aError('deadlineExceeded', 'The agent did not answer in time; the task may go on: ask for it', {
      cause: error,
    })
  if (error instanceof RangeError)
    return new A2aError('invalidAgentResponse', `The agent’s answer cannot be read: ${error.message}`, { cause: error })
  return new A2aError('unavailable', 'The connection to the agent broke; the task may go on: ask for it', {
    cause: error,
  })
}

const pair = ([name, value]: readonly [string, string]): [string, string] => [name, value]
const textOf = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value)
