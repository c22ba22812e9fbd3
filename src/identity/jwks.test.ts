import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, type FetchImplementation, generateKeyPair, type JWK, type JWTVerifyGetKey } from 'jose'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { KeySets } from './jwks.ts'

const token = { payload: '', signature: '' }
const lookUp = (set: JWTVerifyGetKey, kid: string) => Promise.resolve(set({ alg: 'ES256', kid }, token))

let keys: JWK[]
const reports: string[] = []
const report = (error: Error) => void reports.push(error.message)

beforeAll(async () => {
  keys = await Promise.all(
    ['a', 'b'].map(async (kid) => {
      const { publicKey } = await generateKeyPair('ES256', { extractable: true })
      return { ...(await exportJWK(publicKey)), kid, alg: 'ES256' }
    }),
  )
})
beforeEach(() => {
  reports.length = 0
  vi.useFakeTimers({ toFake: ['Date'] })
})
afterEach(() => void vi.useRealTimers())

describe('at a URI', () => {
  let asked: number
  let answer: () => Response | Promise<Response>
  let set: JWTVerifyGetKey
  const fetch: FetchImplementation = async () => {
    asked++
    return await answer()
  }
  const publish = (...published: JWK[]) => {
    answer = () => Response.json({ keys: published })
  }
  beforeEach(() => {
    asked = 0
    set = new KeySets({ report, fetch }).at('https://id.example/jwks')
  })

  test('keys are fetched once, and again after five minutes: a withdrawn key is believed no longer', async () => {
    publish(keys[0]!)
    await Promise.all([lookUp(set, 'a'), lookUp(set, 'a')])
    expect(asked).toBe(1)
    publish(keys[1]!)
    vi.advanceTimersByTime(4 * 60_000)
    await lookUp(set, 'a')
    expect(asked).toBe(1)
    vi.advanceTimersByTime(60_000)
    await expect(lookUp(set, 'a')).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' })
    expect(asked).toBe(2)
  })

  test('an unknown kid asks again, at most every 30 seconds', async () => {
    publish(keys[0]!)
    await lookUp(set, 'a')
    publish(keys[0]!, keys[1]!)
    for (let i = 0; i < 50; i++) await expect(lookUp(set, `x${i}`)).rejects.toThrow()
    expect(asked).toBe(1)
    vi.advanceTimersByTime(30_000)
    await lookUp(set, 'b')
    expect(asked).toBe(2)
  })

  test('an issuer that is down is believed to have its keys for an hour, and asked every two seconds at most', async () => {
    answer = () => new Response('', { status: 500 })
    for (let i = 0; i < 10; i++) await expect(lookUp(set, 'a')).rejects.toThrow(/status 500/)
    expect(asked).toBe(1)
    expect(reports).toEqual(['the keys at https://id.example/jwks cannot be had: status 500'])
    vi.advanceTimersByTime(2000)
    publish(keys[0]!)
    await lookUp(set, 'a')
    answer = () => Promise.reject(new Error('refused'))
    vi.advanceTimersByTime(50 * 60_000)
    await lookUp(set, 'a')
    expect(asked).toBe(3)
    vi.advanceTimersByTime(10 * 60_000)
    await expect(lookUp(set, 'a')).rejects.toThrow(/refused/)
  })

  test.each<[string, () => Response, RegExp]>([
    ['no JSON', () => new Response('<html>'), /it is no JSON/],
    ['no key set', () => Response.json({ keys: 5 }), /JSON Web Key Set malformed/],
    ['endless', () => new Response(endless()), /larger than 524288 bytes/],
    ['a redirect', () => new Response(null, { status: 302 }), /status 302/],
  ])('refuses %s', async (_, response, message) => {
    answer = response
    await expect(lookUp(set, 'a')).rejects.toThrow(message)
  })
})

test('the same place is one set, whoever asks', () => {
  const sets = new KeySets({ report })
  expect(sets.at('https://a/')).toBe(sets.at('https://a/'))
  expect(sets.at('https://a/')).not.toBe(sets.at('https://b/'))
  expect(sets.in('/a')).toBe(sets.in('/a'))
})

describe('in a file', () => {
  let directory: string
  let file: string
  let clock: number
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'chaperone-jwks-'))
    file = join(directory, 'jwks.json')
    clock = 0
    vi.spyOn(performance, 'now').mockImplementation(() => clock)
  })
  afterEach(() => {
    vi.restoreAllMocks()
    rmSync(directory, { recursive: true, force: true })
  })

  test('it is read again when it changes; a damaged one changes nothing and is reported once', async () => {
    const set = new KeySets({ report }).in(file)
    await expect(lookUp(set, 'a')).rejects.toThrow(/cannot be read: ENOENT/)
    writeFileSync(file, JSON.stringify({ keys: [keys[0]] }))
    clock += 500
    await lookUp(set, 'a')
    writeFileSync(file, '{')
    clock += 500
    await Promise.all([lookUp(set, 'a'), lookUp(set, 'a')])
    clock += 500
    await lookUp(set, 'a')
    expect(reports).toEqual([expect.stringMatching(/ENOENT/), `the keys in ${file} cannot be read: it is no JSON`])
    writeFileSync(file, JSON.stringify({ keys: [keys[1]] }))
    clock += 499
    await lookUp(set, 'a')
    clock += 1
    await lookUp(set, 'b')
    await expect(lookUp(set, 'a')).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' })
  })
})

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(32)) })
}
