/** The Huffman code of HPACK (RFC 7541, section 5.2 and appendix B), decoding only. */

/** The length of each byte's code in bits, and of the end-of-string symbol's: 'a' is 5, 'z' is 30. The code is canonical, so lengths say all. */
const codeLengths =
  'isxxxxxxxtzxxzxxxxxxxxzxxxxxxxxxbffhibdgffdgdbbbaaabbbbbbbcdkbhfibccccccccccccccccccccccdcdioijb' +
  'kabababbbaccbbbabcbaabccccckgjixprpprrrsrssssststtrstssssqrsrsstrqprrssqsrrtqrssqqrqsrssprrrsrrs' +
  'vvporsruvvvwwvtuoqvwwvwtqqvvxwwwptpqrqqsrruuttvsvwvvwwwwwxwwwwwvz'
const endOfString = 256

/**
 * A tree with 256 branches at each node, flat: `tree[node + byte]` is a node (a multiple of 256), or
 * `leaf | bits used of the byte << 9 | symbol`.
 */
const leaf = 1 << 16
const tree = buildTree()

function buildTree(): Int32Array {
  const nodes = [new Int32Array(256)]
  const symbols = [...codeLengths].map((letter, symbol) => ({ symbol, length: letter.charCodeAt(0) - 92 }))
  symbols.sort((a, b) => a.length - b.length || a.symbol - b.symbol)
  let code = 0
  let previous = 0
  for (const { symbol, length } of symbols) {
    code = (code << (length - previous)) >>> 0
    previous = length
    place(symbol, code++, length)
  }
  const flat = new Int32Array(nodes.length * 256)
  for (const [index, node] of nodes.entries()) flat.set(node, index * 256)
  return flat

  function place(symbol: number, code: number, length: number): void {
    let node = nodes[0]!
    let rest = length
    for (; rest > 8; rest -= 8) {
      const byte = (code >>> (rest - 8)) & 0xff
      if (node[byte] === 0) node[byte] = (nodes.push(new Int32Array(256)) - 1) * 256
      node = nodes[node[byte]! / 256]!
    }
    // A code that ends within a byte is found whatever the rest of the byte is.
    const first = (code << (8 - rest)) & 0xff
    node.fill(leaf | (rest << 9) | symbol, first, first + (1 << (8 - rest)))
  }
}

/**
 * Decodes `bytes` from `start` to `end` into `into`, which holds 8/5 of that length.
 * @returns how many bytes came out, or -1 for a string that is not well coded
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let length = 0
  let bits = 0
  let bitCount = 0
  let node = 0
  /** Bits since the last whole symbol: what is left at the end must be padding. */
  let pending = 0
  for (let at = start; at < end; at++) {
    bits = ((bits << 8) | bytes[at]!) & 0xffff
    bitCount += 8
    pending += 8
    while (bitCount >= 8) {
      const found = tree[node + ((bits >>> (bitCount - 8)) & 0xff)]!
      if (found < leaf) {
        node = found
        bitCount -= 8
        continue
      }
      const symbol = found & 0x1ff
      if (symbol === endOfString) return -1
      into[length++] = symbol
      bitCount -= (found >>> 9) & 0xf
      pending = bitCount
      node = 0
    }
  }
  while (bitCount > 0) {
    const found = tree[node + ((bits << (8 - bitCount)) & 0xff)]!
    const used = (found >>> 9) & 0xf
    if (found < leaf || used > bitCount || (found & 0x1ff) === endOfString) break
    into[length++] = found & 0x1ff
    bitCount -= used
    pending = bitCount
    node = 0
  }
  const padding = (1 << bitCount) - 1
  return pending > 7 || (bits & padding) !== padding ? -1 : length
}
