// Generates gen/ from proto/ with buf and protoc-gen-es, unless it is already there for exactly these inputs.
// Runs after `npm install`; takes about fifteen seconds the first time.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const hash = createHash('sha256')
const inputs = [
  'buf.yaml',
  'buf.gen.yaml',
  'node_modules/@bufbuild/protoc-gen-es/package.json',
  ...readdirSync(join(root, 'proto'), { recursive: true })
    .filter((file) => file.endsWith('.proto'))
    .sort()
    .map((file) => join('proto', file)),
]
for (const file of inputs) hash.update(file).update(readFileSync(join(root, file)))
const digest = hash.digest('hex')
const stamp = join(root, 'gen', '.inputs')

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== digest) {
  process.stderr.write('generating protobuf types … ')
  const started = Date.now()
  const bin = join(root, 'node_modules', '.bin')
  const result = spawnSync(join(bin, 'buf'), ['generate'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
  })
  if (result.status !== 0) {
    process.stderr.write(`failed\n${result.error?.message ?? ''}${result.stdout ?? ''}${result.stderr ?? ''}`)
    process.exit(1)
  }
  writeFileSync(stamp, digest)
  process.stderr.write(`done in ${((Date.now() - started) / 1000).toFixed(1)} s\n`)
}
