import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Incumbent, type Succession, takeoverSocket } from './incumbent.ts'
import { Predecessor } from './predecessor.ts'

let directory: string
let socket: string
let incumbent: Incumbent | undefined
let did: string[]
let reports: unknown[]

const succession: Succession = {
  describe: async () => ({ socket: `${socket}.own`, slots: [0, 2], keys: { seal: 'secret' } }),
  release: async () => void did.push('release'),
  resume: async () => void did.push('resume'),
  leave: (successor) => void did.push(`leave ${successor}`),
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'chaperone-takeover-'))
  socket = join(directory, 's')
  did = []
  reports = []
  incumbent = new Incumbent(socket, `${socket}.own`, succession, (error) => reports.push(error))
  await incumbent.listen()
})
afterEach(() => {
  incumbent?.stop()
  rmSync(directory, { recursive: true, force: true })
})

test('the successor inherits, and takes the place step by step', async () => {
  const predecessor = await Predecessor.find(socket)
  expect(predecessor?.inheritance).toEqual({ socket: `${socket}.own`, slots: [0, 2], keys: { seal: 'secret' } })
  await predecessor!.release()
  await predecessor!.leave('/next')
  expect(did).toEqual(['release', 'leave /next'])
  incumbent!.stop()
  await predecessor!.gone
  expect(existsSync(takeoverSocket(socket))).toBe(false)
})

test('a successor that goes before it has the place is none', async () => {
  const predecessor = await Predecessor.find(socket)
  await predecessor!.release()
  predecessor!.close()
  await vi.waitFor(() => expect(did).toEqual(['release', 'resume']))
  const next = await Predecessor.find(socket)
  expect(next?.inheritance.slots).toEqual([0, 2])
  next!.close()
})

test('one that has asked for nothing leaves nothing to take back', async () => {
  const predecessor = await Predecessor.find(socket)
  predecessor!.close()
  await vi.waitFor(async () => (await Predecessor.find(socket))!.close())
  expect(did).toEqual([])
})

test('there is one successor at a time', async () => {
  const predecessor = await Predecessor.find(socket)
  await expect(Predecessor.find(socket)).rejects.toThrow('another service takes its place already')
  predecessor!.close()
})

test.each([['nothing of JSON\n'], ['[]\n'], ['{"ask":"dance"}\n'], ['{"ask":"leave"}\n'], [`"${'x'.repeat(100_000)}`]])(
  'what is no question is cut: %.30s',
  async (text) => {
    const connection = connect(takeoverSocket(socket))
    connection.on('error', () => undefined)
    connection.resume()
    connection.write(text)
    await new Promise((resolve) => connection.once('close', resolve))
    expect(did).toEqual([])
  },
)

test('only this user may ask', () => {
  expect(statSync(takeoverSocket(socket)).mode & 0o777).toBe(0o600)
})

test('where nobody runs there is nobody to follow; what cannot be followed is said', async () => {
  expect(await Predecessor.find(join(directory, 'none'))).toBeUndefined()
  const other = join(directory, 'other')
  const server = createServer((connection) => connection.end())
  await new Promise<void>((resolve) => server.listen(other, resolve))
  await expect(Predecessor.find(other)).rejects.toThrow('cannot be followed')
  server.close()
})
