import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { rulesSchema } from '../config/schema.ts'
import { explainRequest } from '../governance/explain-request.ts'
import { describedBy, explain } from './explain.ts'
import { apply, diff, edit, log, pull, rollback, show, testRules } from './revisions.ts'

let directory: string
let written: string
let complaints: string
const write = (text: string) => {
  written += text
}
const rules = (more = '') => `# by hand
providers: { o: { type: openai, apiKey: "\${env:K}" } }
models: { m: { targets: [{ provider: o }] } }
${more}`
const at = (name: string) => join(directory, name)
const options = () => ({ store: at('store/chaperone.yaml'), tenant: 'default', output: 'text' as const })

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chaperone-cli-'))
  written = ''
  complaints = ''
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    complaints += String(text)
    return true
  })
  writeFileSync(at('one.yaml'), rules())
  writeFileSync(at('two.yaml'), rules('aliases: { n: m }\n'))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(directory, { recursive: true, force: true })
})

describe('chaperone rules', () => {
  test('apply, log, show, diff, rollback and pull', async () => {
    expect(await apply({ ...options(), file: at('one.yaml'), message: 'first' }, write)).toBe(0)
    expect(await apply({ ...options(), file: at('two.yaml'), dryRun: true }, write)).toBe(0)
    expect(written).toContain('+aliases: { n: m }')
    expect(await apply({ ...options(), file: at('two.yaml'), message: 'second' }, write)).toBe(0)
    written = ''
    await apply({ ...options(), file: at('two.yaml') }, write)
    expect(written).toBe('Nothing changes: this is revision 2.\n')
    written = ''
    expect(await diff(options(), write)).toBe(1)
    expect(written).toContain('--- chaperone.yaml')
    expect(written).toContain('+aliases: { n: m }')
    written = ''
    await diff({ ...options(), file: at('one.yaml') }, write)
    expect(written).toContain('-aliases: { n: m }')
    expect(await diff({ ...options(), file: at('two.yaml') }, write)).toBe(0)
    expect(await diff({ ...options(), from: 1, to: 1 }, write)).toBe(0)
    await rollback(undefined, { ...options(), message: 'back' }, write)
    written = ''
    await log({ ...options(), limit: 5 }, write)
    expect(written.split('\n').map((line) => line.split('  ').at(-1))).toEqual(['back', 'second', 'first', ''])
    written = ''
    await show(undefined, { ...options(), output: 'json' }, write)
    expect(JSON.parse(written)).toMatchObject({ number: 3, files: [{ text: rules() }] })
    await pull(at('pulled'), options(), write)
    expect(readFileSync(at('pulled/chaperone.yaml'), 'utf8')).toBe(rules())
    expect(complaints).toBe('')
    writeFileSync(at('pulled/mine.yaml'), '')
    await pull(at('pulled'), { ...options(), revision: 2 }, write)
    expect(readFileSync(at('pulled/chaperone.yaml'), 'utf8')).toBe(rules('aliases: { n: m }\n'))
    expect(complaints).toContain('mine.yaml')
    complaints = ''
    expect(await diff({ ...options(), from: 99 }, write)).toBe(2)
    expect(complaints).toContain('There is no revision 99.')
  })

  test('edit publishes what the editor makes of it, and adds nothing of its own', async () => {
    await apply({ ...options(), file: at('one.yaml') }, write)
    writeFileSync(at('editor.sh'), '#!/bin/sh\nhead -n 1 "$1" > "$0.seen"\necho "aliases: { n: m }" >> "$1"\n')
    chmodSync(at('editor.sh'), 0o700)
    expect(await edit({ ...options(), editor: at('editor.sh') }, write)).toBe(0)
    expect(readFileSync(at('editor.sh.seen'), 'utf8')).toMatch(/^# yaml-language-server: \$schema=/)
    expect(readFileSync(at('store/chaperone.yaml'), 'utf8')).toBe(`${rules()}aliases: { n: m }\n`)
    expect(await edit({ ...options(), editor: 'false' }, write)).toBe(1)
    expect(complaints).toContain('nothing was published')
    written = ''
    expect(await edit({ ...options(), editor: 'true' }, write)).toBe(0)
    expect(written).toBe('Nothing was changed.\n')
  })

  test('an edit that is wrong comes back with what is wrong on top, and is kept where it is given up', async () => {
    await apply({ ...options(), file: at('one.yaml') }, write)
    const editor = (script: string) => {
      writeFileSync(at('editor.sh'), `#!/bin/sh\n${script}\n`)
      chmodSync(at('editor.sh'), 0o700)
      return at('editor.sh')
    }
    const mistake = 'grep -q alias "$1" || { echo "aliase: { n: m }" >> "$1"; exit; }'
    const mend = `cp "$1" "$0.seen"; sed -i 's/^aliase:/aliases:/' "$1"`
    expect(await edit({ ...options(), editor: editor(`${mistake}\n${mend}`) }, write)).toBe(0)
    expect(readFileSync(at('editor.sh.seen'), 'utf8').split('\n').slice(0, 3)).toEqual([
      '# yaml-language-server: $schema=.chaperone.schema.json',
      '# ✗ 6:1 aliase: there is no such key here; did you mean "aliases"?',
      '# by hand',
    ])
    expect(readFileSync(at('store/chaperone.yaml'), 'utf8')).toBe(`${rules()}aliases: { n: m }\n`)

    const given = {
      ...options(),
      output: 'json' as const,
      editor: editor('grep -q wrong "$1" || echo "wrong: 1" >> "$1"'),
    }
    written = ''
    expect(await edit(given, write)).toBe(1)
    expect(JSON.parse(written)).toMatchObject({ type: 'invalid', diagnostics: [{ line: 5, path: 'wrong' }] })
    const [, kept] = /Your edit is in (\S+): /.exec(complaints) ?? []
    expect(readFileSync(join(kept!, 'chaperone.yaml'), 'utf8')).toBe(`${rules()}aliases: { n: m }\nwrong: 1\n`)
    rmSync(kept!, { recursive: true })

    const meanwhile = 'echo "# theirs" >> "$STORE"; echo "# mine" >> "$1"'
    vi.stubEnv('STORE', at('store/chaperone.yaml'))
    expect(await edit({ ...options(), editor: editor(meanwhile) }, write)).toBe(1)
    vi.unstubAllEnvs()
    expect(complaints).toMatch(/Somebody else has published meanwhile: .*\n.*Your edit is in/)
    rmSync(/.*Your edit is in (\S+): /s.exec(complaints)![1]!, { recursive: true })
  })

  test('what was not published is told to programs as well', async () => {
    writeFileSync(at('wrong.yaml'), rules('aliase: {}\n'))
    const json = { ...options(), output: 'json' as const }
    expect(await apply({ ...json, file: at('wrong.yaml') }, write)).toBe(1)
    expect(JSON.parse(written)).toMatchObject({ type: 'invalid', diagnostics: [{ line: 4, suggestion: 'aliases' }] })
    written = ''
    expect(await apply({ ...json, file: at('wrong.yaml'), dryRun: true }, write)).toBe(1)
    expect(JSON.parse(written)).toMatchObject({ type: 'invalid' })
    expect(complaints).toBe('')
  })

  test('what is wrong is not published, and says where', async () => {
    writeFileSync(at('wrong.yaml'), rules('aliase: {}\n'))
    expect(await apply({ ...options(), file: at('wrong.yaml') }, write)).toBe(1)
    expect(complaints).toMatch(/chaperone\.yaml:4:1 aliase: there is no such key here; did you mean "aliases"\?/)
    expect(await apply({ ...options(), file: at('none.yaml') }, write)).toBe(1)
    expect(await show(9, options(), write)).toBe(1)
    expect(await rollback(undefined, options(), write)).toBe(1)
    expect(await log({ ...options(), store: 'redis://a,b', limit: 1 }, write)).toBe(1)
    expect(complaints).toContain('redis:// names one host')
  })

  test('table tests beside the rules are run, and what does not hold is told with what applied', async () => {
    mkdirSync(at('set'))
    writeFileSync(at('set/a.yaml'), rules())
    writeFileSync(at('set/b.yaml'), 'policies: { rules: { night: { effect: deny, when: "now.getHours() < 6" } } }\n')
    const day = '{ name: by day, now: "2026-01-01T12:00:00Z", expect: allow }'
    const night = '{ name: by night, now: "2026-01-01T02:00:00Z", expect: allow }'
    writeFileSync(at('set/policies.test.yaml'), `tests: [${day}]\n`)
    expect(await testRules(at('set'), { output: 'text' }, write)).toBe(0)
    expect(written).toContain('1 passed, 0 failed')
    writeFileSync(at('set/policies.test.yaml'), `tests: [${day}, ${night}]\n`)
    expect(await testRules(at('set'), { output: 'text' }, write)).toBe(1)
    expect(written).toContain('expected allow, got deny by night; policies that applied: night (deny)')
    writeFileSync(at('set/policies.test.yaml'), 'tests: [{ nam: x }]\n')
    expect(await testRules(at('set'), { output: 'text' }, write)).toBe(1)
  })
})

describe('chaperone explain', () => {
  const governed = rulesSchema.parse({
    providers: { o: { type: 'openai', apiKey: '${env:K}' } },
    models: { m: { targets: [{ provider: 'o' }] }, 'x-*': { targets: [{ provider: 'o' }] } },
    aliases: { fast: 'm' },
    teams: { interns: { models: ['m'] } },
    policies: { rules: { p: { effect: 'deny', when: 'has(parameters.store) && parameters.store' } } },
    prompts: { house: { append: 'x', when: 'identity.team == "interns"' } },
    limits: { rpm: { requests: 5, per: 'minute', by: ['user'] } },
    budgets: { b: { usd: 10, by: ['team'] } },
  })
  const says = (options: Parameters<typeof describedBy>[0]) =>
    explainRequest(governed, describedBy(options)).map(
      ({ rule, says, refuses }) => `${refuses ? '!' : ''}${rule}: ${says}`,
    )

  test('every rule’s part in a request', () => {
    expect(says({ model: 'fast', team: 'interns', user: 'ann' })).toEqual([
      'aliases.fast: the model is m',
      'models.m: served by o/m',
      'teams.interns.models: m is among its models',
      'policies.rules.p: does not apply',
      'policies.default: allow',
      'prompts.house: applies',
      'limits.rpm: 5 requests a minute, counted for ann',
      'budgets.b: 10 US dollars a month, counted for interns',
    ])
  })

  test('who refuses, and why', () => {
    expect(says({ model: 'x-1', team: 'interns' })).toContain('!teams.interns.models: x-1 is not among its models')
    expect(says({ model: 'nothing' })).toContain('!models: there is no model "nothing"')
    expect(says({ model: 'm', param: ['store=true'] })).toContain('!policies.rules.p: applies: deny, and decides')
    expect(says({ model: 'm' })).toContain('limits.rpm: does not count this request')
  })

  test('the exit code says whether it is let in', async () => {
    const described = { tenant: 'default', output: 'json' as const, file: at('one.yaml') }
    expect(await explain(undefined, { ...described, model: 'm' }, write)).toBe(0)
    expect(JSON.parse(written)).toMatchObject({ allowed: true })
    expect(await explain(undefined, { ...described, model: 'other' }, write)).toBe(2)
    expect(await explain(undefined, { ...described, now: 'never' }, write)).toBe(1)
    expect(await explain('some-id', described, write)).toBe(1)
    expect(complaints).toContain('Decisions are kept in Redis')
  })
})
