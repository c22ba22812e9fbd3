import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { headers, name } from './arbitraries.ts'
import { isAt, WireHeaders } from './headers.ts'

/** Headers one after the other, with nothing in between. */
function wired(pairs: readonly (readonly [name: string, value: string])[]): WireHeaders {
  const wire = new WireHeaders(Buffer.from(pairs.flat().join('')))
  let at = 0
  for (const [name, value] of pairs) {
    const nameEnd = at + Buffer.byteLength(name)
    const valueEnd = nameEnd + Buffer.byteLength(value)
    wire.add(at, nameEnd, nameEnd, valueEnd)
    at = valueEnd
  }
  return wire
}

describe('WireHeaders', () => {
  it('is to its readers what a Map is', () => {
    fc.assert(
      fc.property(headers, fc.array(name), (pairs, others) => {
        const map = new Map(pairs)
        const wire = wired(pairs)
        for (const asked of [...map.keys(), ...others]) {
          expect(wire.get(asked)).toBe(map.get(asked))
          expect(wire.has(asked)).toBe(map.has(asked))
        }
        expect(wire.size).toBe(map.size)
        expect([...wire]).toEqual([...map])
        expect([...wire.entries()]).toEqual([...map.entries()])
        expect([...wire.keys()]).toEqual([...map.keys()])
        expect([...wire.values()]).toEqual([...map.values()])
        const each: unknown[] = []
        wire.forEach((value, name, self) => void each.push([name, value, self === wire]))
        expect(each).toEqual([...map].map((pair) => [...pair, true]))
      }),
    )
  })

  it('gives the last of several', () => {
    expect(
      wired([
        ['a', '1'],
        ['b', '2'],
        ['a', '3'],
      ]).get('a'),
    ).toBe('3')
  })

  it('does not take bytes that are no UTF-8 for the letters they are in Latin-1', () => {
    const wire = new WireHeaders(Buffer.from([0xe9, 0x31]))
    wire.add(0, 1, 1, 2)
    expect([wire.get('é'), wire.get('\ufffd'), wire.has('\ufffd')]).toEqual([undefined, '1', true])
  })
})

describe('isAt', () => {
  it('compares ASCII', () => {
    const bytes = Buffer.from('xabc')
    expect([isAt(bytes, 1, 'abc'), isAt(bytes, 1, 'abd'), isAt(bytes, 2, 'bcd')]).toEqual([true, false, false])
  })
})
