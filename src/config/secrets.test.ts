import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
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
  writeFileSync(file, ' \n')
  expect(failureOf(`\${file:${file}}`)).toBe(`\${file:${file}} is empty`)
  writeFileSync(file, 'secret\r\nx-other: 1')
  expect(failureOf(`\${file:${file}}`)).toBe(`\${file:${file}} holds control characters`)
})

test('what would be waited for is no file', () => {
  execFileSync('mkfifo', [file])
  expect(failureOf(`\${file:${file}}`)).toBe(`\${file:${file}} cannot be read: it is no file`)
  expect(failureOf('${file:/dev/zero}')).toBe('${file:/dev/zero} cannot be read: it is no file')
})

test('what failed is tried again when it is asked for again', () => {
  expect(failureOf(`\${file:${file}}`)).toMatch(/ENOENT/)
  writeFileSync(file, 'there')
  expect(store.resolve(`\${file:${file}}`)).toBe('there')
})

test('files are looked at beside the requests, until the store is stopped', () => {
  vi.useFakeTimers()
  try {
    const watching = new SecretStore({ env: {}, report: (error) => reports.push(error) })
    const reference = `\${file:${file}}`
    writeFileSync(file, 'one')
    expect(watching.resolve(reference)).toBe('one')
    writeFileSync(file, 'two, longer')
    expect(watching.resolve(reference)).toBe('one')
    vi.advanceTimersByTime(1_000)
    expect(watching.resolve(reference)).toBe('two, longer')
    watching.stop()
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test('a link that leads elsewhere now is another file, as Kubernetes swaps them', () => {
  for (const revision of ['1', '2']) {
    mkdirSync(join(directory, revision))
    writeFileSync(join(directory, revision, 'key'), `value-${revision}`)
  }
  symlinkSync('1', join(directory, 'data'))
  symlinkSync('data/key', file)
  expect(store.resolve(`\${file:${file}}`)).toBe('value-1')
  symlinkSync('2', join(directory, 'data.next'))
  renameSync(join(directory, 'data.next'), join(directory, 'data'))
  store.refresh()
  expect(store.resolve(`\${file:${file}}`)).toBe('value-2')
})

test('a file that cannot even be looked at ends nothing', () => {
  writeFileSync(file, 'one')
  store.resolve(`\${file:${file}}`)
  rmSync(file)
  symlinkSync(file, file)
  store.refresh()
  expect(store.resolve(`\${file:${file}}`)).toBe('one')
  expect(reports.map(({ message }) => message)).toEqual([expect.stringMatching(/cannot be read: ELOOP/)])
})

test('a file that was emptied leaves the last good value in use; what is wrong anew is reported anew', () => {
  writeFileSync(file, 'one')
  store.resolve(`\${file:${file}}`)
  renameSync(file, `${file}.away`)
  store.refresh()
  renameSync(`${file}.away`, file)
  store.refresh()
  truncateSync(file)
  store.refresh()
  expect(store.resolve(`\${file:${file}}`)).toBe('one')
  expect(reports.map(({ message }) => message)).toEqual([expect.stringMatching(/ENOENT/), `\${file:${file}} is empty`])
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
