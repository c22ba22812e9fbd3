import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MemoryOwners } from '../tasks/memory-owners.ts'
import { OpenTrees } from './open-trees.ts'
import { amountsOf, beginTree, mostBudgets, readBudgetHeader, resumeTree, withinTree } from './tree.ts'

const ann = { by: 'ann', subject: 'ann' }

describe('a budget that a caller asks for', () => {
  test('says any of what a tree can spend', () => {
    expect(readBudgetHeader('usd=0.25, tokens=20000,tool-calls=5, delegations=2 ,time=60')).toEqual({
      usd: 0.25,
      tokens: 20_000,
      toolCalls: 5,
      delegations: 2,
      time: 60,
    })
    expect(readBudgetHeader('tokens=0')).toEqual({ tokens: 0 })
  })

  test.each([
    '',
    'usd',
    'usd=',
    'usd=-1',
    'usd=1e9',
    'usd=1;tokens=2',
    'usd=1, usd=2',
    'tokens=1.5',
    'wishes=3',
    'toolCalls=3',
    'USD=1',
    'usd=1,',
    `usd=${'1'.repeat(600)}`,
  ])('that is not understood is refused, as it would bound nothing: %j', (text) => {
    expect(() => readBudgetHeader(text)).toThrow(expect.objectContaining({ kind: 'invalidParams' }))
  })

  test('only lowers what the rules say', () => {
    const amounts = fc.record(
      { usd: fc.nat(9), tokens: fc.nat(9), toolCalls: fc.nat(9), delegations: fc.nat(9), time: fc.nat(9) },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(amounts, fc.option(amounts, { nil: undefined }), (rule, asked) => {
        const [budget] = beginTree(rule, asked, ann, 1_000).budgets
        for (const name of ['usd', 'tokens', 'toolCalls', 'delegations', 'time'] as const) {
          const both = [rule[name], asked?.[name]].filter((amount) => amount !== undefined)
          expect(budget?.[name]).toBe(both.length === 0 ? undefined : Math.min(...both))
        }
        expect(budget?.until).toBe(budget?.time === undefined ? undefined : 1_000 + budget.time * 1_000)
      }),
    )
  })
})

describe('a tree', () => {
  test('has no budget where nobody bounds it, and another id each time', () => {
    const [one, other] = [beginTree({}, undefined, ann, 0), beginTree({}, undefined, ann, 0)]
    expect(one.budgets).toEqual([])
    expect(one.id).not.toBe(other.id)
    expect(amountsOf({ time: '90s', usd: 1 })).toEqual({ time: 90, usd: 1 })
  })

  test('keeps its own budget where an agent opens one within it', () => {
    const tree = beginTree({ usd: 2 }, undefined, ann, 0)
    const part = withinTree(tree, { usd: 100, time: 1 }, 'planner', 5_000)
    expect(part.budgets).toEqual([
      { id: tree.id, by: 'ann', usd: 2 },
      { id: expect.not.stringContaining(tree.id), by: 'planner', usd: 100, time: 1, until: 6_000 },
    ])
    expect(withinTree(tree, undefined, 'planner', 0)).toBe(tree)
  })

  test('has no more budgets within each other than a token can hold', () => {
    let tree = beginTree({ usd: 2 }, undefined, ann, 0)
    for (let n = 1; n < mostBudgets; n++) tree = withinTree(tree, { usd: 1 }, 'planner', 0)
    expect(() => withinTree(tree, { usd: 1 }, 'planner', 0)).toThrow(
      expect.objectContaining({ kind: 'permissionDenied' }),
    )
  })

  test('goes on with its task, for its owner alone; its time begins anew', async () => {
    const trees = new OpenTrees(new MemoryOwners())
    const tree = beginTree({ usd: 2, time: 10 }, undefined, ann, 0)
    await trees.keep('planner', 't', 'key:ann', tree)
    await trees.keep('planner', 't', 'key:ann', beginTree({ usd: 9 }, undefined, ann, 0))
    expect(await trees.find('planner', 't', 'key:ann')).toEqual(tree)
    expect(await trees.find('planner', 't', 'key:bob')).toBeUndefined()
    expect(await trees.find('billing', 't', 'key:ann')).toBeUndefined()
    expect(await trees.find('planner', 'x'.repeat(5_000), 'key:ann')).toBeUndefined()
    expect(resumeTree(tree, 50_000).budgets).toEqual([{ id: tree.id, by: 'ann', usd: 2, time: 10, until: 60_000 }])
  })
})
