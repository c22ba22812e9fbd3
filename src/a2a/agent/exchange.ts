import type { JsonObject } from '../../json.ts'
import { type EgressResponse, readAll } from '../../mcp/server/egress.ts'
import { type SseEvent, SseParser } from '../../sse.ts'
import type { AgentInterface } from '../card/read-card.ts'
import { A2aError } from '../errors.ts'
import { writeTimeout } from '../grpc/timeout.ts'
import { type A2aOperation, isStreaming } from '../operations.ts'
import { readAnswer, readEvent } from '../translate/answer.ts'
import { writeRequest } from '../translate/wire.ts'
import type { Agent } from './agent.ts'
import type { AgentCredentials } from './credentials.ts'
import { Deadline } from './deadline.ts'
import { grpcMessages, onlyMessage, refusalOf } from './grpc-answer.ts'

/** One call of an agent, on whichever wire it speaks. */

/** The longest answer that is read whole, and the longest event of a stream of gRPC, bytes. */
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
  /** When the caller stops to wait, by performance.now(); undefined: it does not say. */
  readonly until: number | undefined
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
  const timer = new Deadline(streaming ? agent.streamIdleMs : agent.callTimeoutMs, gone, asked.until)
  let handedOver = false
  try {
    const answer = await send(agent, one, asked, credentials, timer)
    const extensions = textOf(answer.headers['a2a-extensions'] ?? answer.headers['x-a2a-extensions'])
    if (one.binding === 'grpc') {
      const came = () => streaming && timer.again()
      const messages = grpcMessages(answer, asked.operation, one, longestAnswer, came)
      if (!streaming) {
        const value = await onlyMessage(messages)
        // SDKs of 0.3 say at the end which extensions they have used.
        return { type: 'result', value, extensions: extensions ?? answer.trailers['x-a2a-extensions'] }
      }
      handedOver = true
      return { type: 'stream', events: until(agent, timer, messages), extensions }
    }
    const isStream = /^text\/event-stream\b/i.test(textOf(answer.headers['content-type']) ?? '')
    if (isStream && streaming && answer.status === 200) {
      handedOver = true
      return { type: 'stream', events: until(agent, timer, eventsOf(answer, asked.operation, one, timer)), extensions }
    }
    const body = await readAll(answer.body, answer.status === 200 ? longestAnswer : longestError)
    const value = readAnswer(asked.operation, one, answer.status, body)
    // An agent that has all there is at once may say so without a stream.
    if (streaming) return { type: 'stream', events: once(value), extensions }
    return { type: 'result', value, extensions }
  } catch (error) {
    throw told(agent, timer, error)
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
  const url = urlOf(one, path)
  if (one.binding === 'grpc') headers.push(...waitOf(agent, asked, timer))
  const sent = body.length === 0 ? null : body
  const ask = async () => {
    const shown = await credentials.headers()
    const answer = await agent.request(
      { url, binding: one.binding },
      method,
      [...headers, ...asked.headers, ...shown].map(pair),
      sent,
      timer.signal,
    )
    return { shown, answer, status: one.binding === 'grpc' ? refusalOf(answer) : answer.status }
  }
  const first = await ask()
  const { status } = first
  if (status !== 401 && status !== 403) return first.answer
  const wwwAuthenticate = textOf(first.answer.headers['www-authenticate'])
  if (!(await credentials.refused({ status, wwwAuthenticate, shown: first.shown }))) throw notTaken(agent.name)
  first.answer.body.destroy()
  const second = await ask()
  if (second.status === 401) throw notTaken(agent.name)
  return second.answer
}

function urlOf({ url: base, binding }: AgentInterface, path: string): URL {
  // A channel has no path; that of gRPC is the method's.
  if (binding === 'grpc') return new URL(path, base.origin)
  const url = new URL(base.href.replace(/\/$/, '') + path)
  // A base with a path of its own keeps it; one with nothing after the host is asked at its root.
  if (path === '' && base.href.endsWith('/')) url.pathname = base.pathname
  return url
}

/** How long an agent is told that it may take: a stream as long as its caller waits. */
function waitOf(agent: Agent, { operation }: Asked, { totalMs }: Deadline): [string, string][] {
  const longest = isStreaming(operation) ? totalMs : Math.min(agent.callTimeoutMs, totalMs ?? agent.callTimeoutMs)
  return longest === undefined ? [] : [['grpc-timeout', writeTimeout(longest)]]
}

/** What the gateway shows is its operator's matter; the caller's own credentials are not what is wrong. */
const notTaken = (agent: string) =>
  new A2aError('unavailable', 'The agent does not take the gateway’s credentials; the gateway’s operator has to look', {
    rule: `a2a.agents.${agent}.credential`,
  })

/** What went wrong, as the caller is told of it. gRPC's status can say at the very end that credentials were not taken. */
function told({ name }: Agent, timer: Deadline, error: unknown): A2aError {
  const known = timer.asA2a(error)
  // What has a rule is the gateway's own word.
  return known.kind === 'unauthenticated' && known.rule === undefined ? notTaken(name) : known
}

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
  } finally {
    answer.body.destroy()
  }
}

/** The events, and what keeps them from coming as their caller is told of it. */
async function* until(agent: Agent, timer: Deadline, events: AsyncIterable<JsonObject>): AsyncGenerator<JsonObject> {
  try {
    yield* events
  } catch (error) {
    throw told(agent, timer, error)
  } finally {
    timer.stop()
  }
}

async function* once(value: JsonObject): AsyncGenerator<JsonObject> {
  yield value
}

const pair = ([name, value]: readonly [string, string]): [string, string] => [name, value]
const textOf = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value)
