import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../json.ts'
import { gather, taskAfter } from './progress.ts'

const status = (state: string): JsonObject => ({ statusUpdate: { taskId: 't', contextId: 'c', status: { state } } })
const piece = (text: string, more: JsonObject = {}, artifactId = 'a'): JsonObject => ({
  artifactUpdate: { taskId: 't', contextId: 'c', artifact: { artifactId, parts: [{ text }] }, ...more },
})
const texts = (events: readonly JsonObject[]) =>
  events.map(({ artifactUpdate, statusUpdate }) =>
    artifactUpdate
      ? (artifactUpdate as { artifact: { parts: JsonObject[] } }).artifact.parts
          .map((part) => part.text ?? part)
          .join('|')
      : (statusUpdate as { status: JsonObject }).status.state,
  )

describe('a task after what was said of it', () => {
  const reached = (...events: JsonObject[]) =>
    events.reduce<JsonObject | undefined>((task, event) => taskAfter(task, event) ?? task, undefined)

  test('has its state and its artifacts, pieces joined', () => {
    expect(
      reached(status('WORKING'), piece('go '), piece('north', { append: true, lastChunk: true }), status('DONE')),
    ).toEqual({
      ...{ id: 't', contextId: 'c', status: { state: 'DONE' } },
      artifacts: [{ artifactId: 'a', parts: [{ text: 'go north' }] }],
    })
  })
  test('is the one that was sent whole, and goes on from there', () => {
    const task = { id: 't', history: [1], artifacts: [{ artifactId: 'a', parts: [{ text: 'x' }] }] }
    expect(reached(status('WORKING'), { task }, piece('y'), piece('z', {}, 'b'))).toEqual({
      ...task,
      artifacts: [
        { artifactId: 'a', parts: [{ text: 'y' }] },
        { artifactId: 'b', parts: [{ text: 'z' }] },
      ],
    })
  })
  test('a message says nothing of it', () => {
    expect(taskAfter({ id: 't' }, { message: {} })).toBeUndefined()
  })
})

describe('artifacts are gathered', () => {
  const all = (...events: JsonObject[]) => {
    let open: readonly JsonObject[] = []
    const said = events.map((event) => {
      const gathered = gather(open, event)
      open = gathered.open
      return texts(gathered.whole)
    })
    return { said, open: open.map((each) => (each.artifact as JsonObject).artifactId) }
  }
  test('until the last piece', () => {
    expect(all(piece('a'), piece('b', { append: true }), piece('c', { append: true, lastChunk: true }))).toEqual({
      ...{ said: [[], [], ['abc']], open: [] },
    })
  })
  test('or until something else is said', () => {
    expect(all(piece('a'), status('DONE'))).toEqual({ said: [[], ['a', 'DONE']], open: [] })
    expect(all(piece('a'), piece('b'))).toEqual({ said: [[], ['a']], open: ['a'] })
    expect(all(piece('a'), piece('x', { lastChunk: true }, 'b'), status('DONE')).said).toEqual([
      [],
      ['x'],
      ['a', 'DONE'],
    ])
  })
  test('whole ones go on at once, and files stay apart', () => {
    expect(all(piece('a', { lastChunk: true })).said).toEqual([['a']])
    const file = {
      artifactUpdate: { artifact: { artifactId: 'a', parts: [{ raw: 'AA==' }] }, append: true, lastChunk: true },
    }
    expect(gather(gather([], piece('a')).open, file).whole).toMatchObject([
      { artifactUpdate: { artifact: { parts: [{ text: 'a' }, { raw: 'AA==' }] } } },
    ])
  })
  test('names that objects have by themselves are names', () => {
    for (const name of ['__proto__', 'constructor'])
      expect(all(piece('a', {}, name), piece('b', { append: true, lastChunk: true }, name)).said).toEqual([[], ['ab']])
  })
})
