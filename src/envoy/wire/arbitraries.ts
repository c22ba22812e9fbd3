/** What the property tests of this folder make their messages of. */
import type { UnknownField } from '@bufbuild/protobuf'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'

/** Any text: often none, often ASCII, and about as long as one byte can say. */
export const text = fc.oneof(
  fc.constant(''),
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.integer({ min: 120, max: 140 }).map((length) => 'x'.repeat(length)),
)
export const bytes = fc.uint8Array({ maxLength: 300 })
/** Few different names, so that some come twice. */
export const name = fc.oneof(
  fc.constantFrom('x-request-id', 'content-type', ':path', 'a', '', 'ä', '\ufffd', '\ufeffa', '1'),
  text,
)
export const headers = fc.array(fc.tuple(name, text), { maxLength: 20 })

const varint = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => ({
  wireType: WireType.Varint,
  data: new BinaryWriter().uint64(value).finish(),
}))
const fixed64 = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((data) => ({ wireType: WireType.Bit64, data }))
const fixed32 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((data) => ({ wireType: WireType.Bit32, data }))
const delimited = bytes.map((content) => ({
  wireType: WireType.LengthDelimited,
  data: new BinaryWriter().bytes(content).finish(),
}))
const number = fc.integer({ min: 1000, max: 2 ** 29 - 1 })
const group = fc
  .tuple(number, fc.array(fc.tuple(number, fc.oneof(varint, fixed64, fixed32, delimited))))
  .map(([no, fields]): UnknownField => {
    const content = new BinaryWriter()
    for (const [innerNo, { wireType, data }] of fields) content.tag(innerNo, wireType).raw(data)
    return { no, wireType: WireType.StartGroup, data: content.tag(no, WireType.EndGroup).finish() }
  })
const flat = fc
  .tuple(number, fc.oneof(varint, fixed64, fixed32, delimited))
  .map(([no, field]): UnknownField => ({ no, ...field }))

/** Fields that no message of ours has; protobuf-es writes what is in `$unknown`. */
export const unknownFields = fc.array(fc.oneof(flat, group), { maxLength: 3 })
