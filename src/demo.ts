import { LLMock } from '@copilotkit/aimock'

/** A local stand-in for a provider, for trying the gateway without a key. */
export interface DemoUpstream {
  /** Base URL of its OpenAI API. */
  url: string
  stop(): Promise<void>
}

/** Starts the demo upstream on a free port of the loopback address. Whatever it answers says that it is a demo. */
export async function startDemo(): Promise<DemoUpstream> {
  const mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent' })
  mock.onMessage(/[\s\S]*/, {
    content:
      'This is a demo: no model was asked. Set OPENAI_API_KEY or ANTHROPIC_API_KEY and start the gateway again to reach a real one.',
  })
  await mock.start()
  return { url: `${mock.url}/v1`, stop: () => mock.stop() }
}
