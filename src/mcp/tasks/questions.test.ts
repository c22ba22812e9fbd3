import { expect, test } from 'vitest'
import type { JsonObject } from '../protocol.ts'
import { AllQuestions, TaskQuestions } from './questions.ts'

type Ask = (method: string, params: JsonObject) => Promise<JsonObject>

test('questions are shown until they are answered, each by a key of its own', async () => {
  const questions = new TaskQuestions(() => undefined)
  const answers: JsonObject[] = []
  questions.start(async (ask: Ask) => {
    const first = ask('elicitation/create', {
      message: 'Who?',
      elicitationId: 'e',
      task: {},
      _meta: { 'io.modelcontextprotocol/related-task': { taskId: 't' } },
    })
    const second = ask('roots/list', {})
    answers.push(...(await Promise.all([first, second])))
    return { content: [] }
  })
  const open = Object.entries((await questions.open())!)
  expect(open.map(([, request]) => request)).toEqual([
    { method: 'elicitation/create', params: { message: 'Who?' } },
    { method: 'roots/list', params: {} },
  ])
  const [[one], [other]] = open as [[string, unknown], [string, unknown]]
  questions.answer('made up', {})
  questions.answer(one, { action: 'accept' })
  questions.answer(one, { action: 'decline' })
  expect(Object.keys((await questions.open())!)).toEqual([other])
  questions.answer(other, { roots: [] })
  await expect.poll(() => questions.outcome).toEqual({ result: { content: [] } })
  expect(answers).toEqual([{ action: 'accept' }, { roots: [] }])
  expect(await questions.open()).toBeUndefined()
  questions.end()
})

test('a task is waited for once, and what it was refused with is its outcome', async () => {
  const all = new AllQuestions()
  let begun = 0
  const begin = (questions: TaskQuestions) => {
    begun++
    questions.start(() => Promise.reject(new Error('it broke')))
  }
  const questions = all.of('t', begin)
  expect(all.of('t', begin)).toBe(questions)
  expect(begun).toBe(1)
  await expect.poll(() => questions.outcome).toEqual({ error: new Error('it broke') })
  questions.end()
  expect(questions.signal.aborted).toBe(true)
  expect(all.get('t')).toBeUndefined()
})
