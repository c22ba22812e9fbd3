import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { validate } from './validate.ts'

const good = `providers:
  main: { type: openai, apiKey: "\${env:KEY}" }
models:
  fast: { targets: [{ provider: main }] }
`
let directory: string
let file: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chaperone-validate-'))
  file = join(directory, 'chaperone.yaml')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function run(paths: string[], output: 'text' | 'json' = 'text') {
  let written = ''
  const code = await validate(paths, { output }, (text) => (written += text))
  return { code, written }
}

test('good rules are ok', async () => {
  writeFileSync(file, good)
  expect(await run([file])).toEqual({ code: 0, written: `${file}: ok\n` })
})

test('a mistake is told with file, line, column, path, what was meant, and the line itself', async () => {
  writeFileSync(file, good.replace('provider: main', 'provider: mian'))
  expect(await run([file])).toEqual({
    code: 1,
    written: `${file}:4:33 models.fast.targets[0].provider: there is no provider "mian"; did you mean "main"?
  4 |   fast: { targets: [{ provider: mian }] }
    |                                 ^
`,
  })
})

test('warnings are told one by one, and change nothing', async () => {
  const spare = (name: string) => `  ${name}: { type: gemini, apiKey: "\${env:KEY}" }\n`
  writeFileSync(file, good.replace('models:', `${spare('b')}${spare('c')}models:`))
  const { code, written } = await run([file])
  expect(code).toBe(0)
  expect(written.match(/^warning: .*/gm)).toEqual([
    `warning: ${file}:3:6 providers.b: no model uses this provider; name it in a target, or leave it out`,
    `warning: ${file}:4:6 providers.c: no model uses this provider; name it in a target, or leave it out`,
  ])
  expect(written).toMatch(/: ok\n$/)
})

test('expressions, and what cannot be carried out, are looked at as well', async () => {
  writeFileSync(file, `${good}policies: { rules: { a: { effect: deny, when: "identity.nam == 1" } } }\n`)
  const { code, written } = await run([file])
  expect(code).toBe(1)
  expect(written).toMatch(/:5:47 policies\.rules\.a\.when: column \d+ of the expression: /)
})

test('each file is a set of its own, and one that is wrong is enough', async () => {
  const other = join(directory, 'other.yaml')
  writeFileSync(file, good)
  writeFileSync(other, 'models: {}\n')
  const { code, written } = await run([file, other])
  expect(code).toBe(1)
  expect(written).toContain(`${file}: ok\n`)
  expect(written).toContain(`${other}:1:1 there is nothing to serve`)
  expect(written).not.toContain(`${other}: ok`)
})

test('the files of a directory are one set, and are named with it', async () => {
  const [providers, models] = good.split(/(?=^models:)/m)
  writeFileSync(join(directory, 'a.yaml'), providers!)
  writeFileSync(join(directory, 'b.yaml'), models!)
  expect(await run([directory])).toEqual({ code: 0, written: `${directory}: ok\n` })
  writeFileSync(join(directory, 'b.yaml'), models!.replace('main', 'mian'))
  expect((await run([directory])).written).toContain(`${join(directory, 'b.yaml')}:2:33 models.fast`)
})

test('the only file of a directory is named with it', async () => {
  writeFileSync(join(directory, 'a.yaml'), 'modles: {}\n')
  expect((await run([directory])).written).toContain(`${join(directory, 'a.yaml')}:1:1 modles: `)
})

test('what cannot be read is a finding', async () => {
  mkdirSync(join(directory, 'empty'))
  const { code, written } = await run([file, join(directory, 'empty')])
  expect(code).toBe(1)
  expect(written).toContain(`${file}:1:1 cannot be read: ENOENT`)
  expect(written).toContain(`${join(directory, 'empty')}:1:1 holds no *.yaml\n`)
})

test('as JSON, for machines', async () => {
  writeFileSync(file, good.replace('apiKey', 'apikey'))
  const { code, written } = await run([file], 'json')
  expect(code).toBe(1)
  expect(JSON.parse(written)).toEqual({
    files: [
      {
        file,
        errors: [
          {
            file,
            line: 2,
            column: 25,
            path: 'providers.main.apikey',
            message: 'there is no such key here',
            suggestion: 'apiKey',
          },
        ],
        warnings: [],
      },
    ],
  })
})
