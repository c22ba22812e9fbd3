import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nearestUri, parseXfcc } from './xfcc.ts'

const agent = 'spiffe://corp/ns/prod/sa/agent'
const own = `By=spiffe://corp/gateway;Hash=${'ab'.repeat(32)};Subject="";URI=${agent}`

describe('elements', () => {
  test('the examples of Envoy’s documentation', () => {
    expect(
      parseXfcc(
        'By=http://frontend.lyft.com;Hash=468e;Subject="/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client";URI=http://testclient.lyft.com;DNS=lyft.com;DNS=www.lyft.com',
      ),
    ).toEqual([
      [
        ['by', 'http://frontend.lyft.com'],
        ['hash', '468e'],
        ['subject', '/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client'],
        ['uri', 'http://testclient.lyft.com'],
        ['dns', 'lyft.com'],
        ['dns', 'www.lyft.com'],
      ],
    ])
    expect(parseXfcc('Hash=1;URI=http://a, By=http://b;Hash=2;URI=')).toEqual([
      [
        ['hash', '1'],
        ['uri', 'http://a'],
      ],
      [
        ['by', 'http://b'],
        ['hash', '2'],
        ['uri', ''],
      ],
    ])
  })

  test('separators and escapes within quotes are text', () => {
    expect(parseXfcc(String.raw`Subject="O=a\, b\; \"c\"\\,CN=x;URI=no";URI=http://x?a=b`)).toEqual([
      [
        ['subject', String.raw`O=a, b; "c"\,CN=x;URI=no`],
        ['uri', 'http://x?a=b'],
      ],
    ])
  })

  test.each([
    '',
    ' ',
    ',',
    ';',
    'URI',
    '=x',
    'URI=x,',
    'URI=x;',
    ',URI=x',
    'URI=x;;Hash=1',
    'URI=a"b',
    'Subject="open',
    String.raw`Subject="open\"`,
    String.raw`Subject="x\\\"`,
    'Subject="a"b',
    'Subject="a" ;URI=x',
    'U RI=x',
    `${'k'.repeat(33)}=x`,
    `URI=${'x'.repeat(70_000)}`,
    Array(40).fill('URI=x').join(','),
    Array(70).fill('DNS=x').join(';'),
  ])('refuses %j', (header) => {
    expect(parseXfcc(header)).toBeUndefined()
  })

  const key = fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,9}$/)
  const element = fc.array(fc.tuple(key, fc.string()), { minLength: 1, maxLength: 5 })
  test('what is written quoted is read back', () => {
    fc.assert(
      fc.property(fc.array(element, { minLength: 1, maxLength: 4 }), (elements) => {
        const header = elements
          .map((pairs) => pairs.map(([k, v]) => `${k}="${v.replace(/["\\]/g, '\\$&')}"`).join(';'))
          .join(',')
        expect(parseXfcc(header)).toEqual(elements.map((pairs) => pairs.map(([k, v]) => [k.toLowerCase(), v])))
      }),
    )
  })

  test('any text is answered', () => {
    const noise = fc.string({ unit: fc.constantFrom(...'ab=;,"\\ ', 'URI='), maxLength: 60 })
    fc.assert(
      fc.property(noise, (header) => {
        for (const pairs of parseXfcc(header) ?? []) expect(pairs.length).toBeGreaterThan(0)
      }),
    )
  })
})

describe('the nearest certificate', () => {
  test('our own Envoy writes one element', () => {
    expect(nearestUri(own, { single: true })).toBe(agent)
    expect(nearestUri('Hash=1;Subject="CN=x"', { single: true })).toBe('')
    expect(nearestUri(`URI=spiffe://corp/admin,${own}`, { single: true })).toBeUndefined()
  })

  test('of what proxies appended, the last counts', () => {
    expect(nearestUri(`URI=spiffe://corp/admin,${own}`, { single: false })).toBe(agent)
    expect(nearestUri(`${own},Hash=2`, { single: false })).toBe('')
  })

  test('a certificate with several URIs is not believed: one of them may be forged within the other', () => {
    expect(nearestUri(`${own};URI=spiffe://corp/admin`, { single: true })).toBeUndefined()
  })

  test('whatever a client writes in front, it is its own certificate or nothing', () => {
    const forged = fc.string({
      unit: fc.constantFrom(...'aU=;,"\\ ', 'URI=spiffe://corp/admin', 'Subject="'),
      maxLength: 12,
    })
    const subject = fc.string({ unit: fc.constantFrom('a', '\\"', '\\,', '\\;', '\\\\', '=') })
    fc.assert(
      fc.property(forged, subject, (prefix, name) => {
        const header = `${prefix},Hash=1;Subject="${name}";URI=${agent}`
        expect([undefined, agent]).toContain(nearestUri(header, { single: false }))
      }),
      { numRuns: 2000 },
    )
  })
})
