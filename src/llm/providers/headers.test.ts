import { describe, expect, test } from 'vitest'
import { passHeaders, plainHeader, resolveSecret, secretHeader } from './headers.ts'
import { CredentialError } from './provider.ts'
import { env, secretsOf } from './testing.ts'

const key = env('KEY')

describe('secretHeader', () => {
  test('gives the value as it is now', () => {
    const table = { [key]: 'sk-1' }
    const secrets = secretsOf(table)
    expect(secretHeader('p', key, secrets)).toBe('sk-1')
    table[key] = 'sk-2'
    expect(secretHeader('p', key, secrets)).toBe('sk-2')
  })

  test.each(['hidden\nx-evil: 1', 'hidden value', 'hidden\u00e9', ''])('refuses %j without showing it', (value) => {
    const error = failure(() => secretHeader('p', key, secretsOf({ [key]: value })))
    expect(error).toBeInstanceOf(CredentialError)
    expect(error.message).toMatch(/provider p: \$\{env:KEY\}/)
    expect(error.message).not.toContain('hidden')
  })
})

describe('resolveSecret', () => {
  test('names provider and reference where there is none', () => {
    const error = failure(() => resolveSecret('p', key, secretsOf({})))
    expect(error).toBeInstanceOf(CredentialError)
    expect(error.message).toBe(`provider p: ${key} is not set`)
  })

  test('leaves other errors alone', () => {
    const broken = {
      resolve(): string {
        throw new TypeError('broken store')
      },
    }
    expect(failure(() => resolveSecret('p', key, broken))).toBeInstanceOf(TypeError)
  })
})

test('plainHeader refuses what would break the header', () => {
  expect(plainHeader('p', 'organization', 'org-1')).toBe('org-1')
  expect(() => plainHeader('p', 'organization', 'a\nb')).toThrow(/^providers\.p\.organization: /)
})

test('passHeaders copies what the client sent and nothing else', () => {
  const headers: Record<string, string> = { 'anthropic-version': 'rule' }
  passHeaders(['anthropic-version', 'anthropic-beta'], { 'anthropic-beta': 'a,b', authorization: 'no' }, headers)
  expect(headers).toEqual({ 'anthropic-version': 'rule', 'anthropic-beta': 'a,b' })
})

function failure(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}
