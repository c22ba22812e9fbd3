import { expect, test } from 'vitest'
import { TaskBook } from './book.ts'

const begun = (id: string, server = 'notes') => ({
  outward: `sealed ${id}`,
  task: { server, id, tool: 'write', era: 'legacy' as const, session: undefined },
})

test('each caller has its own, in the order of their beginning', () => {
  const book = new TaskBook()
  book.add('ann', begun('1'))
  book.add('bob', begun('2'))
  book.add('ann', begun('3'))
  expect(book.of('ann').map(({ task }) => task.id)).toEqual(['1', '3'])
  expect(book.outward('ann', 'notes', '3')).toBe('sealed 3')
  expect(book.outward('bob', 'notes', '3')).toBeUndefined()
  expect(book.outward('ann', 'mail', '3')).toBeUndefined()
  expect(book.of('eve')).toEqual([])
})

test('what its server does not have any more is forgotten', () => {
  const book = new TaskBook()
  book.add('ann', begun('1'))
  book.delete('bob', begun('1').task)
  expect(book.size).toBe(1)
  book.delete('ann', begun('1').task)
  book.delete('ann', begun('1').task)
  expect(book.size).toBe(0)
  expect(book.of('ann')).toEqual([])
})

test('a caller pushes its own oldest out, and all together those of who began none for longest', () => {
  const book = new TaskBook()
  for (let i = 0; i < 1_001; i++) book.add('ann', begun(String(i)))
  expect(book.of('ann')).toHaveLength(1_000)
  expect(book.outward('ann', 'notes', '0')).toBeUndefined()
  for (let caller = 0; caller < 20; caller++) for (let i = 0; i < 1_000; i++) book.add(`c${caller}`, begun(String(i)))
  expect(book.size).toBe(20_000)
  expect(book.of('ann')).toEqual([])
  expect(book.of('c19')).toHaveLength(1_000)
})
