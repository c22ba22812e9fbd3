import { keyTextPattern } from '../../identity/key-text.ts'
import { type Detector, matches } from './detector.ts'

const longest = 240

/** Credentials by the forms their makers gave them. */
const forms = [
  // OpenAI, Anthropic, OpenRouter, DeepSeek, Stripe, Groq, xAI, Hugging Face, NVIDIA, Perplexity
  '(?:sk|rk|pk)-[A-Za-z0-9_-]{16,200}',
  '(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,200}',
  '(?:gsk|hf|pplx|nvapi|xai)[_-][A-Za-z0-9_-]{16,200}',
  // Google
  'AIza[A-Za-z0-9_-]{30,60}',
  'ya29\\.[A-Za-z0-9_.-]{20,200}',
  // AWS
  '(?:AKIA|ASIA)[A-Z0-9]{16}',
  // GitHub, GitLab, Slack
  'gh[pousr]_[A-Za-z0-9]{30,200}',
  'github_pat_[A-Za-z0-9_]{30,200}',
  'glpat-[A-Za-z0-9_-]{18,60}',
  'xox[abpr]-[A-Za-z0-9-]{10,200}',
  // JSON Web Tokens
  'eyJ[A-Za-z0-9_-]{8,100}\\.eyJ[A-Za-z0-9_-]{4,100}\\.[A-Za-z0-9_-]{8,2000}',
  // Ours
  keyTextPattern.source.replaceAll('\\b', ''),
  // A private key is known by its first line, and what follows goes with it.
  '-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/=\\s]{0,16000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?',
]
const pattern = new RegExp(`(?<![A-Za-z0-9_])(?:${forms.join('|')})`, 'g')

/** Keys, tokens and private keys. */
export const secret: Detector = {
  label: 'SECRET',
  plural: 'credentials',
  window: longest,
  find: (text) => matches(pattern, text),
}
