import type { LocalAnswer } from '../../protocol.ts'

/** A page for a user's browser. All texts are escaped here. */
export interface Page {
  readonly status: number
  readonly title: string
  readonly paragraphs: readonly string[]
  /** What a human compares or copies. */
  readonly code?: string | undefined
  /** What is read as it stands. */
  readonly text?: string | undefined
  readonly form?: {
    readonly action: string
    readonly fields: Readonly<Record<string, string>>
  } & (
    | { readonly button: string }
    /** One button for each answer. */
    | { readonly choices: readonly { readonly name: string; readonly value: string; readonly button: string }[] }
  )
  readonly cookie?: string | undefined
}

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** For HTML; what could hide or reorder text is shown by its code. */
function escaped(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Co}\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`)
    .replace(/[&<>"']/g, (c) => escapes[c]!)
}

/** No `form-action`: browsers hold redirects after a form to it, and the authorization server may send its users on. */
const policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
const style =
  'body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem}code{font-size:1.6rem}pre{white-space:pre-wrap;overflow-wrap:anywhere}'

/** The page as an answer that no cache keeps and no other page frames. */
export function pageAnswer({ status, title, paragraphs, code, text, form, cookie }: Page): LocalAnswer {
  const parts = [`<h1>${escaped(title)}</h1>`, ...paragraphs.map((text) => `<p>${escaped(text)}</p>`)]
  if (code !== undefined) parts.push(`<p><code>${escaped(code)}</code></p>`)
  if (text) parts.push(`<pre>${text.split('\n').map(escaped).join('\n')}</pre>`)
  if (form) {
    const buttons =
      'button' in form
        ? `<button>${escaped(form.button)}</button>`
        : form.choices
            .map(
              ({ name, value, button }) =>
                `<button name="${escaped(name)}" value="${escaped(value)}">${escaped(button)}</button>`,
            )
            .join(' ')
    const fields = Object.entries(form.fields).map(
      ([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`,
    )
    parts.push(`<form method="post" action="${escaped(form.action)}">${fields.join('')}${buttons}</form>`)
  }
  return {
    status,
    headers: [
      ['content-type', 'text/html; charset=utf-8'],
      ...privateHeaders,
      ['content-security-policy', policy],
      ...(cookie === undefined ? [] : [['set-cookie', cookie] as [string, string]]),
    ],
    body: `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>${style}</style>${parts.join('\n')}</html>`,
  }
}

/** To the authorization server. */
export function redirectAnswer(location: string): LocalAnswer {
  return { status: 303, headers: [['location', location], ...privateHeaders], body: '' }
}

/** `same-origin`: no other site learns the URL, and the form's own Origin is sent. */
const privateHeaders: [string, string][] = [
  ['cache-control', 'no-store'],
  ['referrer-policy', 'same-origin'],
  ['x-content-type-options', 'nosniff'],
]
