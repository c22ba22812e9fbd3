import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Authority } from './authority.ts'
import { Certificates } from './certificates.ts'

const directory = mkdtempSync(join(tmpdir(), 'chaperone-authority-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test('several that begin at once have one authority, and later ones too', async () => {
  const [one, two] = await Promise.all([Authority.open({ directory }), Authority.open({ directory })])
  expect(one.certificate).toBe(two.certificate)
  expect((await Authority.open({ directory })).certificate).toBe(one.certificate)
  expect(readFileSync(join(directory, 'ca.pem'), 'utf8')).toBe(one.certificate)
  expect(readFileSync(join(directory, 'bundle.pem'), 'utf8')).toContain(one.certificate)
  expect(readFileSync(join(directory, 'ca.pem'), 'utf8')).not.toContain('PRIVATE')
})

test('its certificates are servers’, for a week, and its own signs no authorities', async () => {
  const authority = await Authority.open({ directory })
  const issued = await authority.issue(['api.test'])
  const certificate = new X509Certificate(issued.chain)
  expect(certificate.subjectAltName).toBe('DNS:api.test')
  expect(certificate.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true)
  expect(certificate.ca).toBe(false)
  expect(Date.parse(certificate.validTo) - Date.now()).toBeLessThan(7.1 * 24 * 3_600_000)
  expect(certificate.serialNumber).not.toBe(
    new X509Certificate((await authority.issue(['api.test'])).chain).serialNumber,
  )
  const addresses = new X509Certificate((await authority.issue(['10.0.0.1', 'fd00::1'])).chain)
  expect(addresses.checkIP('10.0.0.1')).toBe('10.0.0.1')
  expect(addresses.checkIP('fd00::1')).toBe('fd00::1')
})

test('a file that is no authority is refused', async () => {
  const other = mkdtempSync(join(directory, 'other-'))
  writeFileSync(join(other, 'authority.pem'), 'nothing')
  await expect(Authority.open({ directory: other })).rejects.toThrow('egress.authority: the file holds no certificate')
  await expect(Authority.open({ directory: join(directory, 'ca.pem', 'below') })).rejects.toThrow(
    'egress.authority.directory',
  )
})

test('certificates are made for known names alone, once, and again for another authority', async () => {
  let renewed = 0
  const certificates = new Certificates('none', () => renewed++)
  const hosts = { has: (name: string) => name === 'api.test', addresses: [] as string[] }
  expect(await certificates.of('api.test')).toBeUndefined()
  certificates.use(await Authority.open({ directory }), hosts)
  const first = await certificates.of('api.test')
  expect(first).toBeDefined()
  expect(await certificates.of('api.test')).toBe(first)
  expect(await certificates.of('bank.test')).toBeUndefined()
  expect(await certificates.of('none')).toBeUndefined()
  certificates.use(await Authority.open({ directory: join(directory, 'second') }), hosts)
  expect(renewed).toBe(1)
  expect(await certificates.of('api.test')).not.toBe(first)
  certificates.use(undefined, hosts)
  expect(await certificates.of('api.test')).toBeUndefined()
  certificates.stop()
})
