/** Names of values that nobody should read, as headers, query parameters, JSON fields and settings spell them. */
const secretName = [
  'api[-_]?key',
  'subscription-key',
  '(?:access|refresh|id|session|security)[-_]?token',
  'client[-_]?secret',
  'secret[-_]?(?:access[-_]?)?key',
  'private[-_]?key',
  'password',
].join('|')

/** What looks like a credential, and what stands there afterwards. None of them backtracks over more than a word. */
const secrets: readonly [RegExp, string][] = [
  [/-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|$)/g, '[redacted]'],
  [new RegExp(`((?:${secretName})["']?\\s{0,4}[:=]\\s{0,4}["']?)[^\\s"'&,;}]+`, 'gi'), '$1[redacted]'],
  [/([?&](?:key|token|sig|code)=|\bsignature=)[^\s"'&,;]+/gi, '$1[redacted]'],
  [/\b(bearer\s{1,4})[^\s"',;]+/gi, '$1[redacted]'],
  // Not every word after "basic": only what looks like base64.
  [/\b([Bb]asic\s{1,4})(?=[a-z]*[A-Z0-9=])[A-Za-z0-9+/=]{6,}/g, '$1[redacted]'],
  // https://user:password@host
  [/(:\/\/)[^\s/@:"']{1,200}:[^\s/@"']{1,200}@/g, '$1[redacted]@'],
  // JSON Web Tokens, and the makers' own spellings.
  [/\beyJ[\w-]{4,}\.[\w-]{4,}\.[\w-]*/g, '[redacted]'],
  [
    /\b(?:sk|pk|xai|gsk|hf|nvapi)[-_][\w-]{8,}|\bAIza[\w-]{10,}|\bya29\.[\w.-]+|\b(?:AKIA|ASIA)[A-Z0-9]{12,}/g,
    '[redacted]',
  ],
]

/**
 * Takes out of a text what looks like a credential: messages of libraries may quote a URL, a header or a file.
 * @returns the rest, with `[redacted]` in their places
 */
export function scrub(text: string): string {
  let scrubbed = text
  for (const [pattern, instead] of secrets) scrubbed = scrubbed.replace(pattern, instead)
  return scrubbed
}
