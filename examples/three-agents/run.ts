import { setTimeout as pause } from 'node:timers/promises'
import { treeText } from '../../src/cli/trace.ts'
import { agents, startExample } from './example.ts'

/**
 * `npm run example:agents`: three agents with a sidecar each, a Redis and a collector of traces; a task, what came of it, and one that
 * runs out of its budget. It goes on until it is stopped, or ends by itself with `--once`.
 */

const say = (text: string) => void process.stdout.write(`${text}\n`)

say('Starting three agents, three sidecars (each an Envoy and a service), Redis and a collector of traces …')
const example = await startExample()
try {
  for (const name of agents) say(`  ${name.padEnd(10)} its sidecar ${example.sidecars[name]}`)
  say(`  redis      ${example.redis}`)
  await show('Alice asks the planner, which asks the researcher, which asks the writer:', 'How many are 20 and 22?')
  await show(
    'The same, but with one call of a tool at most (chaperone-budget: tool-calls=1):',
    'And again?',
    'tool-calls=1',
  )
  if (!process.argv.includes('--once')) {
    say(`
Try it:
  curl ${example.sidecars.planner}/a2a/planner -H 'content-type: application/json' -H 'a2a-version: 1.0' \\
    -H 'authorization: Bearer ${example.key}' -H 'chaperone-budget: delegations=2' \\
    -d '{"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": {"messageId": "1", "role": "ROLE_USER", "parts": [{"text": "Hello"}]}}}'
  npm run chaperone -- trace TASK --store ${example.redis}     # the task's id is in the answer

Ctrl-C ends it.`)
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
    })
  }
} finally {
  await example.stop()
}

/** Asks, and prints what came of it. */
async function show(what: string, text: string, budget?: string): Promise<void> {
  say(`\n${what}`)
  const { traceId, answer } = await example.ask(text, budget)
  say(answer instanceof Error ? `✗ ${answer.message}` : `✓ ${answer.text}`)
  // Every sidecar tells the books within two seconds.
  await pause(2_500)
  const [tree] = await example.trees(traceId)
  if (tree) say(`\n$ chaperone trace ${traceId}\n${treeText(tree)}`)
  const spans = example.spans.filter((span) => span.traceId === traceId)
  say(`The collector has ${spans.length} spans of this trace so far.`)
}
