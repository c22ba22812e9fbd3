import { execFileSync, spawnSync } from 'node:child_process'
import { Command, Option } from 'commander'
import { describe, expect, test } from 'vitest'
import { completion } from './completion.ts'

const program = new Command('chaperone')
program.command('run').description('start it').option('-f, --file <file>', 'the rules')
const rules = program.command('rules').description('revisions')
rules
  .command('apply')
  .description("publish a team's rules")
  .addOption(new Option('-o, --output <format>', 'how').choices(['text', 'json']))
rules.command('log').description('list')

/** What bash proposes for a line, the last word of which is being written. */
function proposed(...line: string[]): string[] {
  const words = ['chaperone', ...line]
  const script = `${completion(program, 'bash')}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_chaperone; printf '%s\\n' "\${COMPREPLY[@]}"`
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' })
    .split('\n')
    .filter((word) => word !== '')
}

describe('bash', () => {
  test('commands, then their own commands and options', () => {
    expect(proposed('')).toEqual(['run', 'rules', '--help'])
    expect(proposed('ru')).toEqual(['run', 'rules'])
    expect(proposed('rules', '')).toEqual(['apply', 'log', '--help'])
    expect(proposed('rules', 'apply', '--')).toEqual(['--output', '--help'])
    expect(proposed('run', '--f')).toEqual(['--file'])
  })
  test('the values of an option that has a fixed set', () => {
    expect(proposed('rules', 'apply', '--output', '')).toEqual(['text', 'json'])
    expect(proposed('rules', 'apply', '-o', 'j')).toEqual(['json'])
  })
})

test('every script is one for its shell', () => {
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const script = completion(program, shell)
    expect(script).toContain('chaperone')
    const checked = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' })
    // A shell that is not on this machine says nothing.
    if (!checked.error) expect([shell, checked.stderr]).toEqual([shell, ''])
  }
  expect(completion(program, 'fish')).toContain("-a apply -d 'publish a team\\'s rules'")
})
