import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { watchRules } from './watch.ts'

const everyMs = 200
let directory: string
let file: string
let told: string[]
const watches: { stop(): void }[] = []

beforeEach(() => {
  vi.useFakeTimers()
  directory = mkdtempSync(join(tmpdir(), 'chaperone-watch-'))
  file = join(directory, 'chaperone.yaml')
  told = []
})
afterEach(() => {
  for (const watch of watches.splice(0)) watch.stop()
  vi.useRealTimers()
  rmSync(directory, { recursive: true, force: true })
})

function watch(path = file) {
  const started = watchRules(path, (text) => told.push(text), { everyMs })
  watches.push(started)
  return started
}

const look = (times = 1) => vi.advanceTimersByTime(times * everyMs)

test('an edited file is told once it has settled', () => {
  writeFileSync(file, 'one')
  watch()
  look(3)
  expect(told).toEqual([])
  writeFileSync(file, 'two!')
  look()
  expect(told).toEqual([])
  look()
  expect(told).toEqual(['two!'])
  look(5)
  expect(told).toEqual(['two!'])
})

test('a file is not read while it is being written', () => {
  writeFileSync(file, '')
  watch()
  for (const text of ['a', 'ab', 'abc']) {
    writeFileSync(file, text)
    look()
  }
  expect(told).toEqual([])
  look()
  expect(told).toEqual(['abc'])
})

test('a file that was replaced by another of the same length and time is told', () => {
  writeFileSync(file, 'one')
  const { atime, mtime } = statSync(file)
  watch()
  writeFileSync(`${file}.next`, 'two')
  utimesSync(`${file}.next`, atime, mtime)
  renameSync(`${file}.next`, file)
  look(2)
  expect(told).toEqual(['two'])
})

test('a link that leads elsewhere now is told, as Kubernetes swaps them', () => {
  for (const revision of ['1', '2']) {
    mkdirSync(join(directory, revision))
    writeFileSync(join(directory, revision, 'rules.yaml'), revision)
  }
  symlinkSync('1', join(directory, 'data'))
  symlinkSync('data/rules.yaml', file)
  watch()
  symlinkSync('2', join(directory, 'data.next'))
  renameSync(join(directory, 'data.next'), join(directory, 'data'))
  look(2)
  expect(readFileSync(file, 'utf8')).toBe('2')
  expect(told).toEqual(['2'])
})

test('the same content written again is none that is new', () => {
  writeFileSync(file, 'one')
  watch()
  rmSync(file)
  writeFileSync(file, 'one')
  look(3)
  expect(told).toEqual([])
})

test('a file that goes away and comes back is told then, and one that is not there yet when it is', () => {
  watch()
  look(2)
  writeFileSync(file, 'first')
  look(2)
  rmSync(file)
  look(3)
  expect(told).toEqual(['first'])
  writeFileSync(file, 'second')
  look(2)
  expect(told).toEqual(['first', 'second'])
})

test('what cannot be looked at or read is waited for', () => {
  writeFileSync(file, 'one')
  watch()
  rmSync(file)
  symlinkSync(file, file)
  look(2)
  rmSync(file)
  mkdirSync(file)
  look(3)
  expect(told).toEqual([])
  rmSync(file, { recursive: true })
  writeFileSync(file, 'two')
  look(2)
  expect(told).toEqual(['two'])
})

test('nothing is told after the end', () => {
  writeFileSync(file, 'one')
  const started = watch()
  writeFileSync(file, 'two')
  look()
  started.stop()
  look(5)
  expect(told).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})
