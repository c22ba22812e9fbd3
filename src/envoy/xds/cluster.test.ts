import { expect, test } from 'vitest'
import { upstreamClusterConfig } from './cluster.ts'

const configOf = (scheme: 'http' | 'https') =>
  JSON.stringify(
    upstreamClusterConfig({
      id: 'u',
      scheme,
      host: '127.0.0.1',
      port: 1,
      connectTimeoutMs: 1_000,
      serverName: undefined,
    }),
  )

test('Envoy closes idle connections before servers do', () => {
  expect(configOf('http')).toContain('"idle_timeout":"4s"')
  expect(configOf('https')).toContain('"idle_timeout":"50s"')
})

test('TLS to providers is verified by name', () => {
  expect(configOf('https')).toMatch(/"sni":"127\.0\.0\.1".*"auto_sni_san_validation":true/)
  expect(configOf('http')).not.toContain('transport_socket')
})
