import { keyTextPattern } from '../../identity/key-text.ts'
import { type Detector, matches, openBy, wordStart } from './detector.ts'

/** Credentials by the forms their makers gave them. A longer one than a form says is taken for what it is so far. */
const forms = [
  // OpenAI, Anthropic, OpenRouter, DeepSeek, Langfuse
  '(?:sk|pk)-[A-Za-z0-9_-]{16,500}',
  // Stripe
  '(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,200}',
  'whsec_[A-Za-z0-9+/]{24,100}',
  // Groq, Hugging Face, Perplexity, NVIDIA, xAI, Replicate
  '(?:gsk_|hf_|pplx-|nvapi-|xai-|r8_)[A-Za-z0-9_-]{30,200}',
  // Google: API keys, access tokens, OAuth clients
  'AIza[A-Za-z0-9_-]{30,60}',
  'ya29\\.[A-Za-z0-9_-]{20,2000}',
  'GOCSPX-[A-Za-z0-9_-]{20,60}',
  // AWS
  '(?:AKIA|ASIA)[A-Z0-9]{16}',
  // GitHub, GitLab, Slack, npm, PyPI, SendGrid, DigitalOcean, HashiCorp Vault
  'gh[pousr]_[A-Za-z0-9]{30,255}',
  'github_pat_[A-Za-z0-9_]{30,255}',
  'glpat-[A-Za-z0-9_-]{18,100}(?:\\.[a-z0-9]{2}\\.[a-z0-9]{7,12})?',
  'xox[abeoprs]-[A-Za-z0-9-]{10,250}',
  'xapp-[A-Za-z0-9-]{20,250}',
  'npm_[A-Za-z0-9]{36}',
  'pypi-[A-Za-z0-9_-]{50,250}',
  'SG\\.[A-Za-z0-9_-]{16,32}\\.[A-Za-z0-9_-]{30,64}',
  'do[oprt]_v1_[a-f0-9]{64}',
  'hv[bs]\\.[A-Za-z0-9_-]{24,250}',
  // JSON Web Tokens (RFC 7519): two parts that are objects, and a signature
  '(?<!-)eyJ[A-Za-z0-9_-]{8,200}\\.eyJ[A-Za-z0-9_-]{4,8000}(?:\\.[A-Za-z0-9_-]{1,2000})?',
  // Ours
  keyTextPattern.source.replaceAll('\\b', ''),
]
const pattern = new RegExp(`${wordStart}(?:${forms.join('|')})`, 'gu')

/** Names of packages and files have such prefixes too (sk-learn-contrib-model), but no digits among their letters. */
const looksRandom = (match: string) => !/^[sp]k-/.test(match) || /\d/.test(match.slice(0, 200))

/** Keys and tokens of providers, and our own. */
export const secret: Detector = {
  label: 'SECRET',
  plural: 'credentials',
  find: (text, from = 0) => matches(pattern, text, from, looksRandom),
  open: openBy(new RegExp(`${wordStart}[A-Za-z][A-Za-z0-9_.+/-]{0,250}$`, 'gu'), 256),
}
