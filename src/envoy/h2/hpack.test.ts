import { once } from 'node:events'
import { connect } from 'node:http2'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { FrameReader, flag, frameType } from './frame.ts'
import { encodeLiterals, HpackDecoder, HpackError } from './hpack.ts'

type Pair = [string, string]

/** A block of RFC 7541 appendix C, what it says, and the dynamic table after it. */
interface Example {
  hex: string
  fields: Pair[]
  table: Pair[]
}

const bytesOf = (hex: string) => Buffer.from(hex.replace(/\s/g, ''), 'hex')
const pairsOf = (fields: readonly { name: string; value: string }[] | undefined) =>
  fields?.map(({ name, value }): Pair => [name, value])

function decode(decoder: HpackDecoder, hex: string) {
  const bytes = bytesOf(hex)
  return pairsOf(decoder.decode(bytes, 0, bytes.length))
}

function check(examples: Example[], decoder = new HpackDecoder(65_536)): void {
  for (const { hex, fields, table } of examples) {
    expect(decode(decoder, hex)).toEqual(fields)
    expect(pairsOf(decoder.table)).toEqual(table)
  }
}

const authority: Pair = [':authority', 'www.example.com']
const noCache: Pair = ['cache-control', 'no-cache']
const custom: Pair = ['custom-key', 'custom-value']
const request1: Pair[] = [[':method', 'GET'], [':scheme', 'http'], [':path', '/'], authority]
const request3: Pair[] = [[':method', 'GET'], [':scheme', 'https'], [':path', '/index.html'], authority, custom]

const found: Pair = [':status', '302']
const moved: Pair = [':status', '307']
const isPrivate: Pair = ['cache-control', 'private']
const date: Pair = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT']
const later: Pair = ['date', 'Mon, 21 Oct 2013 20:13:22 GMT']
const location: Pair = ['location', 'https://www.example.com']
const gzip: Pair = ['content-encoding', 'gzip']
const cookie: Pair = ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1']

const requestTables: Pair[][] = [[authority], [noCache, authority], [custom, noCache, authority]]
const responses: Pair[][] = [
  [found, isPrivate, date, location],
  [moved, isPrivate, date, location],
  [[':status', '200'], isPrivate, later, location, gzip, cookie],
]
const responseTables: Pair[][] = [
  [location, date, isPrivate, found],
  [moved, location, date, isPrivate],
  [cookie, gzip, later],
]

const series = (hex: string[], fields: Pair[][], tables: Pair[][]): Example[] =>
  hex.map((block, at) => ({ hex: block, fields: fields[at]!, table: tables[at]! }))

describe('RFC 7541 appendix C', () => {
  it.each<[string, Example]>([
    [
      'C.2.1 literal with indexing',
      {
        hex: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
        fields: [['custom-key', 'custom-header']],
        table: [['custom-key', 'custom-header']],
      },
    ],
    [
      'C.2.2 literal without indexing',
      { hex: '040c 2f73 616d 706c 652f 7061 7468', fields: [[':path', '/sample/path']], table: [] },
    ],
    [
      'C.2.3 literal never indexed',
      { hex: '1008 7061 7373 776f 7264 0673 6563 7265 74', fields: [['password', 'secret']], table: [] },
    ],
    ['C.2.4 indexed', { hex: '82', fields: [[':method', 'GET']], table: [] }],
  ])('%s', (_, example) => check([example]))

  it('C.3 requests without Huffman coding', () =>
    check(
      series(
        [
          '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
          '8286 84be 5808 6e6f 2d63 6163 6865',
          '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
        ],
        [request1, [...request1, noCache], request3],
        requestTables,
      ),
    ))

  it('C.4 requests with Huffman coding', () =>
    check(
      series(
        [
          '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
          '8286 84be 5886 a8eb 1064 9cbf',
          '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
        ],
        [request1, [...request1, noCache], request3],
        requestTables,
      ),
    ))

  // The examples' table holds 256 bytes; a size update (section 6.3) before the first block brings ours to that.
  const tableOf256 = '3fe101'

  it('C.5 responses without Huffman coding, with evictions', () =>
    check(
      series(
        [
          `${tableOf256} 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a
           3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
          '4803 3330 37c1 c0bf',
          `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738
           666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
           3630 303b 2076 6572 7369 6f6e 3d31`,
        ],
        responses,
        responseTables,
      ),
    ))

  it('C.6 responses with Huffman coding, with evictions', () =>
    check(
      series(
        [
          `${tableOf256} 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e
           919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
          '4883 640e ffc1 c0bf',
          `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
           b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
        ],
        responses,
        responseTables,
      ),
    ))
})

describe('the decoder', () => {
  it.each([
    ['index 0', '80'],
    ['an index outside the tables', 'be'],
    ['an index outside the tables, for a name', '7e01 61'],
    ['an integer without an end', 'ff80 8080 80'],
    ['an integer that is too large', 'ffff ffff ffff 7f'],
    ['an integer cut off', 'ff'],
    ['a name that is missing', '40'],
    ['a value that is missing', '4001 61'],
    ['a string cut off', '4003 6161'],
    ['Huffman padding of more than seven bits', '4082 1fff 0161'],
    ['Huffman padding that is not ones', '4081 1801 61'],
    ['the end-of-string symbol in a string', '4084 ffff fffc 0161'],
    ['a table size over the agreed one', '3fe2 1f'],
    ['a table size update after a field', '8220'],
  ])('refuses %s', (_, hex) => {
    expect(() => decode(new HpackDecoder(65_536), hex)).toThrow(HpackError)
  })

  it('takes a table size of 0 and the largest one in one block', () => {
    const decoder = new HpackDecoder(65_536)
    decode(decoder, '4001 6101 62')
    expect(decode(decoder, '20 3fe1 1f 4001 6301 64')).toEqual([['c', 'd']])
    expect(pairsOf(decoder.table)).toEqual([['c', 'd']])
  })

  it('keeps no entry over the table’s size, and empties the table for it', () => {
    const decoder = new HpackDecoder(65_536)
    decode(decoder, '4001 6101 62')
    const long = encodeLiterals([['x', 'y'.repeat(5000)]])
    long[0] = 0x40
    expect(decode(decoder, long.toString('hex'))).toHaveLength(1)
    expect(decoder.table).toEqual([])
  })

  it('fills the table to the last entry and evicts the oldest', () => {
    const decoder = new HpackDecoder(65_536)
    for (let i = 0; i < 1000; i++) decode(decoder, '4001 6100')
    expect(decoder.table).toHaveLength(Math.floor(4096 / 33))
  })

  it('counts a list that is too large without keeping it, and stays in step', () => {
    const decoder = new HpackDecoder(1000)
    decode(decoder, '4001 6101 62')
    expect(decode(decoder, 'be'.repeat(30))).toBeUndefined()
    expect(decode(decoder, 'be 4001 6301 64')).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
  })

  it('never throws anything but HpackError', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }), (blocks) => {
        const decoder = new HpackDecoder(500)
        for (const block of blocks) {
          try {
            decoder.decode(Buffer.from(block), 0, block.length)
          } catch (error) {
            if (!(error instanceof HpackError)) throw error
            return
          }
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('reads what Node’s encoder writes, block after block', async () => {
    const lists = fc.sample(
      fc.dictionary(fc.stringMatching(/^x-[a-z0-9-]{0,20}$/), fc.stringMatching(/^[!-~]([ -~]{0,40}[!-~])?$/), {
        maxKeys: 12,
      }),
      { numRuns: 200, seed: 7 },
    )
    const decoder = new HpackDecoder(65_536)
    const decoded: Record<string, string>[] = []
    const reader = new FrameReader({
      frame(type, flags, _stream, bytes, start, end) {
        if (type !== frameType.headers) return
        const block = flags & flag.priority ? start + 5 : start
        decoded.push(Object.fromEntries(pairsOf(decoder.decode(bytes, block, end)) ?? []))
      },
    })
    const sink = new Duplex({
      read: () => undefined,
      write(chunk: Buffer, _encoding, done) {
        reader.push(chunk)
        done()
      },
    })
    const session = connect('http://x', { createConnection: () => sink })
    session.on('error', () => undefined)
    await once(session, 'connect')
    for (const headers of lists) session.request({ ':path': '/', ...headers }).on('error', () => undefined)
    // Node has a hundred streams open before it hears of a limit.
    await vi.waitFor(() => expect(decoded.length).toBeGreaterThanOrEqual(100))
    session.destroy()
    expect(decoded).toEqual(
      lists.slice(0, decoded.length).map((headers) => ({
        ':method': 'GET',
        ':authority': 'x:80',
        ':scheme': 'http',
        ':path': '/',
        ...headers,
      })),
    )
  })
})

describe('the encoder', () => {
  it('writes literals that the decoder reads and does not keep', () => {
    const fields: Pair[] = [
      ['grpc-status', '13'],
      ['grpc-message', 'm'.repeat(126)],
      ['a', 'n'.repeat(127)],
      ['b', 'o'.repeat(4000)],
      ['c', ''],
    ]
    const block = encodeLiterals(fields)
    const decoder = new HpackDecoder(65_536)
    expect(pairsOf(decoder.decode(block, 0, block.length))).toEqual(fields)
    expect(decoder.table).toEqual([])
  })
})
