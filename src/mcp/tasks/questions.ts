import { randomBytes } from 'node:crypto'
import type { JsonObject } from '../protocol.ts'
import { withRelated } from './words.ts'

/** A question comes soon after a task says that it needs input, if at all; those that come with it are waited for too. */
const questionMs = 2_000
const gatherMs = 5
/** How long a task is asked about that nobody asks for. */
const idleMs = 15 * 60_000
const mostWaited = 10_000

/** How a task ended: with what the call itself would have been answered. */
export type Outcome = { readonly result: JsonObject } | { readonly error: unknown }

interface Question {
  readonly request: JsonObject
  resolve(answer: JsonObject): void
}

/**
 * A task of a server of the old era whose client is of the new one. The server asks on the stream of `tasks/result`
 * (2025-11-25, Input Required Status), which somebody must hold; the client reads the questions from `tasks/get`, and answers with
 * `tasks/update`.
 */
export class TaskQuestions {
  outcome: Outcome | undefined
  readonly #questions = new Map<string, Question>()
  readonly #controller = new AbortController()
  readonly #forget: () => void
  #idle: NodeJS.Timeout
  #changed: () => void = () => undefined

  /** @param forget called when it is of no more use */
  constructor(forget: () => void) {
    this.#forget = forget
    this.#idle = this.#untilIdle()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Begins to wait. @param result asks for the task's result with the hook that is given */
  start(result: (asked: (method: string, params: JsonObject) => Promise<JsonObject>) => Promise<JsonObject>): void {
    result((method, params) => this.#asked(method, params)).then(
      (value) => this.#ended({ result: value }),
      (error: unknown) => this.#ended({ error }),
    )
  }

  /** The questions that wait for an answer, by key; where there is none yet, it waits a little for one. */
  async open(): Promise<JsonObject | undefined> {
    clearTimeout(this.#idle)
    this.#idle = this.#untilIdle()
    if (this.#questions.size === 0 && !this.outcome)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, questionMs)
        this.#changed = () => {
          clearTimeout(timer)
          setTimeout(resolve, gatherMs)
        }
      })
    if (this.#questions.size === 0) return undefined
    return Object.fromEntries([...this.#questions].map(([key, { request }]) => [key, request]))
  }

  /** Answers what is known and open; anything else is ignored (tasks extension, Task Update Requests). */
  answer(key: string, response: JsonObject): void {
    const question = this.#questions.get(key)
    this.#questions.delete(key)
    question?.resolve(response)
  }

  end(): void {
    clearTimeout(this.#idle)
    this.#controller.abort(new Error('nobody asks for the task any more'))
    this.#forget()
  }

  #asked(method: string, params: JsonObject): Promise<JsonObject> {
    return new Promise((resolve) => {
      // A key is never used twice, whichever process asks.
      const key = `${method}-${randomBytes(6).toString('base64url')}`
      this.#questions.set(key, { request: { method, params: inputParams(method, params) }, resolve })
      this.#changed()
    })
  }

  #ended(outcome: Outcome): void {
    this.outcome = outcome
    this.#questions.clear()
    this.#changed()
  }

  #untilIdle(): NodeJS.Timeout {
    const timer = setTimeout(() => this.end(), idleMs)
    timer.unref()
    return timer
  }
}

/** Tasks that this process asks about, each once. */
export class AllQuestions {
  readonly #tasks = new Map<string, TaskQuestions>()

  get(key: string): TaskQuestions | undefined {
    return this.#tasks.get(key)
  }

  /** @returns those of the task, which may have been waited for already */
  of(key: string, begin: (questions: TaskQuestions) => void): TaskQuestions {
    const known = this.#tasks.get(key)
    if (known) return known
    if (this.#tasks.size >= mostWaited) this.#tasks.values().next().value!.end()
    const questions = new TaskQuestions(() => this.#tasks.delete(key))
    this.#tasks.set(key, questions)
    begin(questions)
    return questions
  }
}

/** A request of the old era as an input request of the new one. */
function inputParams(method: string, params: JsonObject): JsonObject {
  const { elicitationId, task: _, ...rest } = withRelated(params, undefined)
  return method === 'elicitation/create' || elicitationId === undefined ? rest : { ...rest, elicitationId }
}
