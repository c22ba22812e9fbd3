import { describe, expect, test } from 'vitest'
import { readTarget, targetOf } from './target.ts'

describe('where a card says that gRPC is', () => {
  test.each<[string, boolean, string | undefined]>([
    ['planner.example.com:8443', true, 'https://planner.example.com:8443/'],
    ['planner.example.com:50051', false, 'http://planner.example.com:50051/'],
    ['localhost:443', true, 'https://localhost/'],
    // gRPC's port is 443 where none is said, with TLS or without.
    ['planner.example.com', false, 'http://planner.example.com:443/'],
    ['[::1]:50051', false, 'http://[::1]:50051/'],
    ['dns:///planner.example.com:50051', true, 'https://planner.example.com:50051/'],
    ['dns:planner.example.com:50051', true, 'https://planner.example.com:50051/'],
    ['https://planner.example.com/a2a/grpc', false, 'https://planner.example.com/a2a/grpc'],
    ['http://planner.example.com:50051', true, 'http://planner.example.com:50051/'],
    ['grpc://planner.example.com:50051', true, 'http://planner.example.com:50051/'],
    ['grpcs://planner.example.com', false, 'https://planner.example.com/'],
    ['unix:/run/agent.sock', false, undefined],
    ['file:///etc/passwd', false, undefined],
    ['me:secret@planner.example.com:443', false, undefined],
    ['planner.example.com:99999', false, undefined],
    ['', false, undefined],
  ])('%s', (text, secure, url) => {
    expect(readTarget(text, secure)?.href).toBe(url)
  })
})

test.each<[string, string | undefined, string]>([
  ['https://gw.example.com', undefined, 'gw.example.com:443'],
  ['http://127.0.0.1:10000', undefined, '127.0.0.1:10000'],
  ['http://[::1]', undefined, '[::1]:80'],
  ['https://gw.example.com:8443/below', 'planner.example.com', 'planner.example.com:8443'],
  ['https://gw.example.com:8443', 'planner.example.com:443', 'planner.example.com:443'],
  ['http://gw', '[fd00::1]', '[fd00::1]:80'],
])('%s and %s is %s to clients', (base, host, target) => {
  expect(targetOf(base, host)).toBe(target)
})
