import type { ToolChoice as SdkChoice, Tool as SdkTool } from '@anthropic-ai/sdk/resources/messages'
import { describe, expect, test } from 'vitest'
import type { Conversation, Tool, ToolChoice, Turn } from '../../conversation.ts'
import { conversation, requestContext } from '../chat/testing.ts'
import { writeTools } from './write-tools.ts'

/** What is written, as the SDK's types have it. */
function write(fields: Partial<Conversation>): { tools?: SdkTool[]; tool_choice?: SdkChoice } {
  return writeTools(conversation(fields), requestContext({}, 'claude-sonnet-4-5'))
}

const tools: Tool[] = [{ name: 'look' }, { name: 'touch' }]
const empty = { type: 'object', properties: {} }

test('a tool with all that is said of it', () => {
  const parameters = { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] }
  expect(
    write({ tools: [{ name: 'look', description: 'Looks', parameters, strict: true, cache: { ttl: '1h' } }] }),
  ).toEqual({
    tools: [
      {
        name: 'look',
        description: 'Looks',
        input_schema: parameters,
        strict: true,
        cache_control: { type: 'ephemeral', ttl: '1h' },
      },
    ],
  })
})

test('a tool with next to nothing', () => {
  expect(write({ tools: [{ name: 'look', description: ' ', strict: false }] }).tools).toEqual([
    { name: 'look', input_schema: empty },
  ])
  expect(write({ tools: [{ name: 'look', parameters: { properties: {} } }] }).tools).toEqual([
    { name: 'look', input_schema: empty },
  ])
})

test('arguments that are no object are refused', () => {
  const parameters = { type: 'string' }
  expect(() => write({ tools: [{ name: 'look', parameters }] })).toThrow(expect.objectContaining({ param: 'tools' }))
})

describe('the choice', () => {
  test.each<[ToolChoice | undefined, SdkChoice | undefined, SdkChoice]>([
    [undefined, undefined, { type: 'auto', disable_parallel_tool_use: true }],
    [{ type: 'auto' }, undefined, { type: 'auto', disable_parallel_tool_use: true }],
    [{ type: 'none' }, { type: 'none' }, { type: 'none' }],
    [{ type: 'required' }, { type: 'any' }, { type: 'any', disable_parallel_tool_use: true }],
    [
      { type: 'tool', name: 'look' },
      { type: 'tool', name: 'look' },
      { type: 'tool', name: 'look', disable_parallel_tool_use: true },
    ],
  ])('%j', (toolChoice, many, one) => {
    const choice = toolChoice && { toolChoice }
    expect(write({ tools, ...choice })).toEqual({
      tools: [
        { name: 'look', input_schema: empty },
        { name: 'touch', input_schema: empty },
      ],
      ...(many && { tool_choice: many }),
    })
    expect(write({ tools, ...choice, parallelToolCalls: true }).tool_choice).toEqual(many)
    expect(write({ tools, ...choice, parallelToolCalls: false }).tool_choice).toEqual(one)
  })

  test('among some: the others are not sent', () => {
    const names = ['touch', 'unknown']
    const sent = [{ name: 'touch', input_schema: empty }]
    expect(write({ tools, toolChoice: { type: 'allowed', mode: 'required', names } })).toEqual({
      tools: sent,
      tool_choice: { type: 'any' },
    })
    expect(write({ tools, toolChoice: { type: 'allowed', mode: 'auto', names } })).toEqual({ tools: sent })
  })

  test.each<Partial<Conversation>>([
    { tools, toolChoice: { type: 'allowed', mode: 'auto', names: ['unknown'] } },
    { toolChoice: { type: 'required' } },
    { toolChoice: { type: 'tool', name: 'look' } },
  ])('%j is refused', (fields) => {
    expect(() => write(fields)).toThrow(expect.objectContaining({ param: 'tool_choice' }))
  })
})

describe('no tools', () => {
  test('nothing is said', () => {
    expect(write({})).toEqual({})
    expect(write({ toolChoice: { type: 'none' }, parallelToolCalls: false })).toEqual({})
  })

  test('but calls: their tools are declared and not to be called', () => {
    const call = { type: 'tool_call', id: 'a', name: 'look', arguments: '{}' } as const
    const turns: Turn[] = [{ role: 'assistant', parts: [call, { ...call, id: 'b' }] }]
    expect(write({ turns })).toEqual({
      tools: [{ name: 'look', description: expect.stringMatching(/not available any more/), input_schema: empty }],
      tool_choice: { type: 'none' },
    })
  })
})
