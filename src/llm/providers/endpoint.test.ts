import { describe, expect, test } from 'vitest'
import { hostLabel, parseEndpoint } from './endpoint.ts'

describe('parseEndpoint', () => {
  test.each([
    ['https://api.example.com/v1', 'https', 'api.example.com', 443, 'api.example.com', '/v1'],
    ['https://api.example.com', 'https', 'api.example.com', 443, 'api.example.com', ''],
    ['https://api.example.com:443/v1/', 'https', 'api.example.com', 443, 'api.example.com', '/v1'],
    ['http://127.0.0.1:11434/v1', 'http', '127.0.0.1', 11434, '127.0.0.1:11434', '/v1'],
    ['http://[::1]:8080//a//b/', 'http', '::1', 8080, '[::1]:8080', '/a/b'],
    ['http://localhost', 'http', 'localhost', 80, 'localhost', ''],
  ])('%s', (url, scheme, host, port, authority, path) => {
    expect(parseEndpoint('p', url)).toEqual({ scheme, host, port, authority, path })
  })

  test.each(['https://user:pw@host/', 'https://host/?key=1', 'https://host/#part'])('refuses %s', (url) => {
    expect(() => parseEndpoint('mine', url)).toThrow(/providers\.mine\.baseUrl/)
  })
})

describe('hostLabel', () => {
  test.each(['us-east-1', 'global', 'eu'])('%s stays', (label) => {
    expect(hostLabel('p', 'region', label)).toBe(label)
  })
  test.each(['', 'evil.com/', 'a.b', 'us east', 'US', '-a', 'x@y', 'a'.repeat(64)])('refuses %j', (label) => {
    expect(() => hostLabel('p', 'region', label)).toThrow(/providers\.p\.region/)
  })
})
