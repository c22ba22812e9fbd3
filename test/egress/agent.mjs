// An agent that knows nothing of the gateway: it asks its providers where they are, and its environment says that there is a proxy.
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { EnvHttpProxyAgent, fetch, setGlobalDispatcher } from 'undici'

setGlobalDispatcher(new EnvHttpProxyAgent())
const messages = [{ role: 'user', content: 'hello' }]
const openai = new OpenAI({ apiKey: 'sk-agents-own', maxRetries: 0, fetch })
const whole = await openai.chat.completions.create({ model: 'gpt-5', messages })
let streamed = ''
for await (const chunk of await openai.chat.completions.create({ model: 'gpt-5', messages, stream: true }))
  streamed += chunk.choices[0]?.delta.content ?? ''
const groq = new OpenAI({ apiKey: 'gsk-agents-own', baseURL: 'https://api.groq.com/openai/v1', maxRetries: 0, fetch })
const other = await groq.chat.completions.create({ model: 'gpt-oss', messages })
const anthropic = new Anthropic({ apiKey: 'sk-ant-agents-own', maxRetries: 0, fetch })
const claude = await anthropic.messages.create({ model: 'claude-opus', max_tokens: 100, messages })
const refused = await openai.files.list().catch((error) => ({ status: error.status, message: error.message }))
const denied = await openai.chat.completions.create({ model: 'o9', messages }).catch((error) => error.code)
process.stdout.write(
  JSON.stringify({
    whole: whole.choices[0].message.content,
    streamed,
    other: other.choices[0].message.content,
    claude: claude.content[0].text,
    refused,
    denied,
  }),
)
