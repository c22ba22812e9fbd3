import { describe, expect, test } from 'vitest'
import { a2a } from '../../config/a2a.ts'
import { chooseInterface } from './choose.ts'
import { placeOf, placesOf } from './places.ts'

const ruleOf = (rule: object) => a2a.parse({ agents: { p: { url: 'https://p.example', ...rule } } }).agents.p!

describe('places', () => {
  test('are the hosts that the rules name, each once, whatever the paths', () => {
    const rule = ruleOf({
      interfaces: [
        { url: 'https://p.example/rpc', binding: 'jsonrpc', version: '1.0' },
        { url: 'http://p.example:8080/rest', binding: 'http+json', version: '0.3' },
      ],
      hosts: ['api.p.example', '[fd00::1]:8443'],
    })
    expect(placesOf('p', rule).map(({ scheme, host, port }) => `${scheme} ${host} ${port}`)).toEqual([
      'https p.example 443',
      'http p.example 8080',
      'https api.p.example 443',
      'https fd00::1 8443',
    ])
  })

  test('have another id where anything of them is another: credentials go to no address they were not meant for', () => {
    const id = (rule: object, url = 'https://p.example/x') => placeOf('p', ruleOf(rule), new URL(url), 'jsonrpc').id
    expect(id({})).toBe(id({}, 'https://p.example/other?query'))
    const others = [
      id({}, 'http://p.example/x'),
      id({}, 'https://p.example:444/x'),
      id({}, 'https://q.example/x'),
      id({ tls: { serverName: 'q' } }),
      placeOf('q', ruleOf({}), new URL('https://p.example'), 'jsonrpc').id,
      placeOf('p', ruleOf({}), new URL('http://p.example'), 'grpc').id,
    ]
    expect(new Set([id({}), ...others]).size).toBe(others.length + 1)
  })

  test('with a password in them are refused, with where they stand', () => {
    expect(() => placesOf('p', ruleOf({ url: 'https://me:secret@p.example' }))).toThrow(
      /^a2a\.agents\.p\.url: must not/,
    )
  })
})

test('the client’s own wire is taken first, then its version', () => {
  const of = (binding: 'jsonrpc' | 'http+json', version: '0.3' | '1.0') => ({
    url: new URL('https://p'),
    binding,
    version,
  })
  const all = [of('jsonrpc', '0.3'), of('http+json', '1.0'), of('jsonrpc', '1.0')]
  expect(chooseInterface(all, { binding: 'jsonrpc', version: '1.0' })).toBe(all[2])
  expect(chooseInterface(all.slice(0, 2), { binding: 'jsonrpc', version: '1.0' })).toBe(all[1])
  expect(chooseInterface(all.slice(0, 1), { binding: 'http+json', version: '1.0' })).toBe(all[0])
  expect(() => chooseInterface([], { binding: 'jsonrpc', version: '1.0' })).toThrow(/no interface/)
})
