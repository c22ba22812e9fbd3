import { readdirSync, readFileSync } from 'node:fs'
import { CustomResourceDefinition } from 'kubernetes-models/apiextensions.k8s.io/v1/CustomResourceDefinition'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { crdFiles } from './crd-files.ts'
import { customResourceDefinition, type Schema, specSchema } from './crds.ts'
import { kinds, ownGroup } from './kinds.ts'
import { type OwnKind, ownSpecs } from './own-specs.ts'

const own = Object.keys(ownSpecs) as OwnKind[]

test('k8s/crds/ is what the rules’ schema makes', () => {
  expect(
    readdirSync('k8s/crds')
      .filter((name) => name !== 'kustomization.yaml')
      .sort(),
  ).toEqual(
    crdFiles()
      .map(([name]) => name)
      .sort(),
  )
  for (const [name, text] of crdFiles()) expect(readFileSync(`k8s/crds/${name}`, 'utf8')).toBe(text)
})

test('every kind of our group has a definition', () => {
  const all = Object.values(kinds).flatMap(({ group, kind }) => (group === ownGroup ? [kind] : []))
  expect(own.toSorted()).toEqual(all.toSorted())
})

/** What apiextensions.k8s.io/v1 asks of a structural schema. @returns what is wrong */
function* unstructured(schema: Schema, path = 'spec'): Iterable<string> {
  const keys = Object.keys(schema)
  const anything = schema['x-kubernetes-preserve-unknown-fields'] === true
  if (schema.type === undefined && !anything) yield `${path} has no type`
  for (const key of [
    '$ref',
    'anyOf',
    'oneOf',
    'allOf',
    'not',
    'const',
    'definitions',
    'propertyNames',
    'patternProperties',
    'prefixItems',
    '$schema',
    'id',
    'default',
  ])
    if (keys.includes(key)) yield `${path} has ${key}`
  if (schema.properties && schema.additionalProperties) yield `${path} has properties and additionalProperties`
  if (typeof schema.additionalProperties === 'boolean')
    yield `${path} has additionalProperties: ${schema.additionalProperties}`
  if (schema.type === 'array' && !schema.items) yield `${path} has no items`
  if (schema.properties && schema.type !== 'object') yield `${path} has properties and is no object`
  for (const name of schema.required ?? [])
    if (!schema.properties?.[name]) yield `${path} requires ${name}, which there is not`
  if (typeof schema.exclusiveMinimum === 'number') yield `${path} has a number as exclusiveMinimum`
  if (typeof schema.pattern === 'string' && /\(\?[=!<]/.test(schema.pattern))
    yield `${path} has a pattern that is not RE2’s`
  for (const [name, child] of Object.entries(schema.properties ?? {})) yield* unstructured(child, `${path}.${name}`)
  if (schema.items) yield* unstructured(schema.items, `${path}[]`)
  if (schema.additionalProperties) yield* unstructured(schema.additionalProperties, `${path}.*`)
}

describe.each(own)('%s', (kind) => {
  test('its schema is structural', () => {
    expect([...unstructured(specSchema(kind))]).toEqual([])
  })

  test('it is a CustomResourceDefinition', () => {
    new CustomResourceDefinition(customResourceDefinition(kind) as never).validate()
  })
})

test('what objects may not say is not in the schemas', () => {
  const text = crdFiles()
    .map(([, text]) => text)
    .join('')
  for (const word of ['stdio', 'openapi', 'credentialsFile', 'usersFile', 'profile', 'env:', 'file:/'])
    expect(text.replace(/description:.*(?:\n {20,}.*)*/g, '')).not.toContain(word)
})

test('unions may say what any of their members may', () => {
  const { properties, required } = specSchema('Provider')
  expect(properties?.type?.enum).toEqual([
    'openai',
    'azure-openai',
    'anthropic',
    'gemini',
    'bedrock',
    'openai-compatible',
  ])
  expect(Object.keys(properties ?? {})).toEqual(expect.arrayContaining(['apiKey', 'region', 'quirks', 'organization']))
  expect(required).toEqual(['type'])
  expect(new RegExp(properties!.apiKey!.pattern as string).test('${secret:keys/openai}')).toBe(true)
  expect(new RegExp(properties!.apiKey!.pattern as string).test('${env:HOME}')).toBe(false)
})

test('the manifests of the docs and of k8s/ are what the schemas say', () => {
  const page = readFileSync('docs/gateway-api.md', 'utf8')
  const objects = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].flatMap(([, text]) =>
    text!.split(/^---$/m).map((each) => parse(each) as { kind?: string; spec?: Record<string, unknown> }),
  )
  const ours = objects.filter(({ kind }) => kind !== undefined && own.includes(kind as OwnKind))
  expect(ours.length).toBeGreaterThan(4)
  for (const { kind, spec } of ours) {
    const schema = specSchema(kind as OwnKind)
    for (const key of Object.keys(spec ?? {})) expect(Object.keys(schema.properties ?? {})).toContain(key)
    for (const key of schema.required ?? []) expect(Object.keys(spec ?? {})).toContain(key)
  }
})
