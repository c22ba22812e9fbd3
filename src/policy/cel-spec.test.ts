import { readFileSync, writeFileSync } from 'node:fs'
import { tests } from '@bufbuild/cel-spec/testdata/conformance.js'
import { Environment } from '@marcbachmann/cel-js'
import { Duration, UnsignedInt } from '@marcbachmann/cel-js/evaluator'
import { expect, test } from 'vitest'

/**
 * The conformance tests of the CEL specification (google/cel-spec, as @bufbuild/cel-spec has them), by the engine that evaluates the
 * rules' expressions. What it does differently is listed in `cel-spec-deviations.txt`, and docs/policies.md says what that means for
 * whoever writes rules. A test of the list that passes is a failure as well: the list stays what it says.
 *
 * `UPDATE_DEVIATIONS=1 npx vitest run --project unit src/policy/cel-spec.test.ts` writes the list anew.
 */

interface SpecTest {
  name: string
  expr: string
  value?: SpecValue
  evalError?: unknown
  typeEnv?: { name: string; ident?: { type: SpecType } }[]
  bindings?: Record<string, { value?: SpecValue }>
  typedResult?: { result?: SpecValue }
  container?: string
  disableCheck?: boolean
  checkOnly?: boolean
}
interface SpecSuite {
  name: string
  suites?: SpecSuite[]
  tests?: { original: SpecTest }[]
}
/** cel.expr.Value as JSON. */
type SpecValue = {
  int64Value?: string
  uint64Value?: string
  doubleValue?: number | string
  stringValue?: string
  boolValue?: boolean
  bytesValue?: string
  nullValue?: unknown
  typeValue?: string
  listValue?: { values?: SpecValue[] }
  mapValue?: { entries?: { key: SpecValue; value: SpecValue }[] }
  objectValue?: { '@type': string; value?: unknown }
}
/** cel.expr.Type as JSON. */
interface SpecType {
  primitive?: string
  wellKnown?: string
  dyn?: unknown
  null?: unknown
  listType?: { elemType?: SpecType }
  mapType?: { keyType?: SpecType; valueType?: SpecType }
}

/** Suites of extensions, and of messages of Protocol Buffers: expressions of rules know neither, nor variables with dots in their names. */
const notOurs = new Set([
  ...['bindings_ext', 'block_ext', 'encoders_ext', 'math_ext', 'string_ext', 'proto2_ext', 'macros2', 'optionals'],
  ...['proto2', 'proto3', 'enums', 'wrappers', 'unknowns'],
])
const ofMessages = /TestAllTypes|google\.protobuf\.(?!Timestamp|Duration)|cel\.expr\./

function* specTests({ name, suites = [], tests: own = [] }: SpecSuite, path = ''): Iterable<[string, SpecTest]> {
  for (const { original } of own) yield [`${path}${name}/${original.name}`, original]
  for (const suite of suites)
    if (!notOurs.has(suite.name)) yield* specTests(suite, name === 'conformance' ? '' : `${path}${name}/`)
}

function applies({ expr, container, value, bindings, typeEnv, checkOnly }: SpecTest): boolean {
  if (typeEnv?.some(({ name }) => name.includes('.'))) return false
  return !container && !checkOnly && !ofMessages.test(expr + JSON.stringify([value, bindings, typeEnv]))
}

const primitives: Record<string, string> = {
  ...{ BOOL: 'bool', INT64: 'int', UINT64: 'uint', DOUBLE: 'double', STRING: 'string', BYTES: 'bytes' },
}

function typeOf(type: SpecType | undefined): string {
  if (type?.primitive) return primitives[type.primitive]!
  if (type?.listType) return `list<${typeOf(type.listType.elemType)}>`
  if (type?.mapType) return `map<${typeOf(type.mapType.keyType)}, ${typeOf(type.mapType.valueType)}>`
  if (type?.wellKnown === 'TIMESTAMP') return 'google.protobuf.Timestamp'
  if (type?.wellKnown === 'DURATION') return 'google.protobuf.Duration'
  return 'dyn'
}

/** A value as expressions see it. */
function valueIn(value: SpecValue): unknown {
  if (value.int64Value !== undefined) return BigInt(value.int64Value)
  if (value.uint64Value !== undefined) return new UnsignedInt(BigInt(value.uint64Value))
  if (value.doubleValue !== undefined) return Number(value.doubleValue)
  if (value.stringValue !== undefined) return value.stringValue
  if (value.boolValue !== undefined) return value.boolValue
  if (value.bytesValue !== undefined) return new Uint8Array(Buffer.from(value.bytesValue, 'base64'))
  if (value.listValue) return (value.listValue.values ?? []).map(valueIn)
  if (value.mapValue) return new Map((value.mapValue.entries ?? []).map((e) => [valueIn(e.key), valueIn(e.value)]))
  if (value.typeValue !== undefined) return { type: value.typeValue }
  return null
}

/** A value so that equal ones are equal texts, and of one type: 1 is not 1u. */
function text(value: unknown): string {
  if (typeof value === 'bigint') return `${value}`
  if (typeof value === 'number')
    return Number.isInteger(value) && !Object.is(value, -0) ? `${value}.0` : `${Object.is(value, -0) ? '-0.0' : value}`
  if (value instanceof UnsignedInt) return `${value.value}u`
  if (value instanceof Date) return `timestamp ${value.toISOString()}`
  if (value instanceof Duration) return `duration ${value.seconds}.${value.nanos}`
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return `[${value.map(text).join(', ')}]`
  if (value instanceof Map)
    return `{${[...value]
      .map(([k, v]) => `${text(k)}: ${text(v)}`)
      .sort()
      .join(', ')}}`
  if (typeof value === 'object' && value !== null) {
    const name = (value as { name?: unknown; type?: unknown }).type ?? (value as { name?: unknown }).name
    if (Object.getPrototypeOf(value) !== Object.prototype || 'type' in value) return `type ${String(name)}`
    return text(new Map(Object.entries(value)))
  }
  return JSON.stringify(value)
}

/** @returns what is wrong, or undefined */
function deviation({ expr, value, typedResult, evalError, typeEnv = [], bindings = {}, disableCheck }: SpecTest) {
  const expected = value ?? typedResult?.result
  const error = evalError !== undefined
  let got: string
  try {
    const environment = new Environment({ unlistedVariablesAreDyn: false })
    for (const { name, ident } of typeEnv) if (ident) environment.registerVariable(name, typeOf(ident.type))
    const parsed = environment.parse(expr)
    const checked = disableCheck ? undefined : parsed.check()
    if (checked && !checked.valid) throw checked.error
    const variables = Object.entries(bindings).map(([name, bound]) => [name, valueIn(bound.value ?? {})])
    got = text(parsed(Object.fromEntries(variables)))
  } catch (thrown) {
    return error ? undefined : `fails: ${(thrown as Error).message.split('\n')[0]}`
  }
  if (error) return `is ${got}, and should fail`
  const wanted = expected === undefined ? 'true' : text(valueIn(expected))
  return got === wanted ? undefined : `is ${got}, and should be ${wanted}`
}

test('the engine does what the specification says, but for the deviations that are listed', () => {
  const list = new URL('./cel-spec-deviations.txt', import.meta.url)
  const found = new Map<string, string>()
  let count = 0
  for (const [name, spec] of specTests(tests as SpecSuite)) {
    if (!applies(spec)) continue
    count++
    const why = deviation(spec)
    if (why !== undefined) found.set(name, why)
  }
  if (process.env.UPDATE_DEVIATIONS)
    writeFileSync(
      list,
      [...found]
        .map(([name, why]) => `${name}\t${why}\n`)
        .sort()
        .join(''),
    )
  const listed = readFileSync(list, 'utf8').split('\n').filter(Boolean)
  expect(count).toBeGreaterThan(1_000)
  expect([...found.keys()].sort()).toEqual(listed.map((line) => line.split('\t')[0]).sort())
  if (process.env.UPDATE_DEVIATIONS) console.log(`${count} tests, ${found.size} deviations`)
})
