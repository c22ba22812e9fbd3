import { excerptOf } from '../safe-text.ts'
import type { Remark } from './finding.ts'

/** What a definition may carry beside words: links, data, sheer length. */

/** A description longer than this, in characters, is rarely read to its end. */
const longText = 4096
const veryLongText = 16_384

/** @returns a remark where a text is so long that nobody reads it */
export function oversized(text: string): Remark[] {
  if (text.length <= longText) return []
  return [
    {
      severity: text.length > veryLongText ? 'medium' : 'low',
      kind: 'oversized',
      message: `It is ${text.length.toLocaleString('en-US')} characters long.`,
      excerpt: excerptOf(text, 0, 0, 40),
    },
  ]
}

interface LinkForm {
  readonly severity: Remark['severity']
  readonly message: string
  readonly pattern: RegExp
}

/** The first that fits a text is told. */
const linkForms: readonly LinkForm[] = [
  { severity: 'high', message: 'It has a script as a link.', pattern: /\b(?:javascript|vbscript):\s?[^\s]/i },
  {
    severity: 'medium',
    message: 'It has an image that whoever shows it would fetch.',
    pattern: /!\[[^\]]{0,200}\]\(\s?(?:https?:)?\/\/|<img\s[^>]{0,200}src\s?=/i,
  },
  { severity: 'medium', message: 'It has a data URL.', pattern: /\bdata:[a-z]{2,20}\/[a-z0-9.+-]{2,60}[;,]/i },
  {
    severity: 'medium',
    message: 'It has a link to an address that hides where it leads.',
    pattern:
      /\bhttps?:\/\/(?:[^\s/@]{1,200}@|(?:\d{1,3}\.){3}\d{1,3}\b|\[[0-9a-f:]{2,40}\]|(?:[^\s/.]{1,63}\.){0,8}xn--)/i,
  },
  { severity: 'low', message: 'It has a link.', pattern: /\bhttps?:\/\/[^\s]{3}/i },
]

/** Where examples live: RFC 2606, RFC 6761, RFC 5737 and the like, and this machine. */
const exampleHosts =
  /\bhttps?:\/\/(?:(?:[\w-]{1,63}\.){0,5}(?:example(?:\.(?:com|org|net))?|test|invalid|localhost)|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\]|192\.0\.2\.\d{1,3}|198\.51\.100\.\d{1,3}|203\.0\.113\.\d{1,3})(?![\w-]|\.\w)/gi

/** @returns a remark on the worst link of a text; those to hosts of examples are none */
export function links(text: string): Remark[] {
  if (!text.includes(':') && !text.includes('//')) return []
  const rest = text.replace(exampleHosts, (link) => ' '.repeat(link.length))
  for (const { severity, message, pattern } of linkForms) {
    const match = pattern.exec(rest)
    if (match) return [{ severity, kind: 'link', message, excerpt: excerptOf(text, match.index, match[0].length) }]
  }
  return []
}

/** @returns a remark on an icon’s source (MCP: Icon) that is neither an https: link nor a picture in itself */
export function iconSource(source: string): Remark[] {
  const remark = (severity: Remark['severity'], message: string): Remark[] => [
    { severity, kind: 'link', message, excerpt: excerptOf(source, 0, 0, 60) },
  ]
  if (/^data:image\/svg\+xml/i.test(source)) return remark('medium', 'The icon is an SVG, which may hold a script.')
  if (/^data:image\/(?:png|jpe?g|webp|gif|avif);base64,/i.test(source)) return []
  if (/^https?:\/\//i.test(source)) return remark('low', 'The icon is fetched from elsewhere by whoever shows it.')
  return remark('high', 'The icon is neither a picture nor a link to one.')
}

/** Runs of this many characters are no words. */
const encodedRun = /[A-Za-z0-9+/_-]{120,}={0,2}/g

/** @returns a remark on the first long run of base64 or hexadecimal digits */
export function encoded(text: string): Remark[] {
  for (const { 0: run, index } of text.matchAll(encodedRun)) {
    const hex = /^[0-9a-fA-F]+$/.test(run)
    // Rules of dashes, underscores and slashes are no data: base64 has all three sorts of characters within a few.
    if (!hex && !(/[a-z]/.test(run) && /[A-Z]/.test(run) && /\d/.test(run))) continue
    return [
      {
        severity: 'medium',
        kind: 'encoded',
        message: `It has ${run.length} characters of ${hex ? 'hexadecimal digits' : 'what looks like base64'}.`,
        excerpt: excerptOf(text, index, 0, 40),
      },
    ]
  }
  return []
}
