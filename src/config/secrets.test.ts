import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CredentialError, SecretStore } from './secrets.ts'

let directory: string
let file: string
let store: SecretStore
const reports: CredentialError[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chaperone-secrets-'))
  file = join(directory, 'key')
  reports.length = 0
  store = new SecretStore({
    env: { SET: ' value \n', BLANK: ' ', BROKEN: 'a\r\nb' },
    report: (error) => reports.push(error),
  })
})
afterEach(() => {
  store.stop()
  rmSync(directory, { recursive: true, force: true })
})

const failureOf = (reference: string): string => {
  try {
    return store.resolve(reference)
  } catch (error) {
    expect(error).toBeInstanceOf(CredentialError)
    return (error as Error).message
  }
}

test('variables and files are resolved, without the blanks around them', () => {
  writeFileSync(file, '\nfrom-file\n')
  expect(store.resolve('${env:SET}')).toBe('value')
  expect(store.resolve(`\${file:${file}}`)).toBe('from-file')
})

test('what cannot be a credential is refused, by its reference and never by its value', () => {
  expect(failureOf('${env:NONE}')).toBe('${env:NONE} is not set')
  expect(failureOf('${env:BLANK}')).toBe('${env:BLANK} is empty')
  expect(failureOf('${env:BROKEN}')).toBe('${env:BROKEN} holds control characters')
  expect(failureOf('${file:/nowhere/at/all}')).toMatch(/^\$\{file:\/nowhere\/at\/all\} cannot be read: /)
  expect(failureOf(`\${file:${directory}}`)).toMatch(/cannot be read/)
  writeFileSync(file, 'x'.repeat(100_000))
  expect(failureOf(`\${file:${file}}`)).toMatch(/larger than/)
  expect(failureOf('plain-text')).toBe('plain-text is no reference to a secret')
})

test('a file that was replaced is read again', () => {
  writeFileSync(file, 'one')
  expect(store.resolve(`\${file:${file}}`)).toBe('one')
  writeFileSync(`${file}.next`, 'two')
  renameSync(`${file}.next`, file)
  store.refresh()
  expect(store.resolve(`\${file:${file}}`)).toBe('two')
})

test('a file that is lost or empty leaves the last good value in use, and is reported once', () => {
  writeFileSync(file, 'one')
  store.resolve(`\${file:${file}}`)
  rmSync(file)
  store.refresh()
  store.refresh()
  expect(store.resolve(`\${file:${file}}`)).toBe('one')
  expect(reports).toHaveLength(1)
  mkdirSync(file)
  store.refresh()
  rmSync(file, { recursive: true })
  writeFileSync(file, 'three')
  store.refresh()
  expect(store.resolve(`\${file:${file}}`)).toBe('three')
})
