import { isCallbackId } from './store/marks.ts'

/** Where agents call. No agent can have this place: names begin with a letter or a digit. */
const place = '/a2a/-/callbacks/'

/** The callback that a path is of. @param path without its query @returns undefined where it is of none; empty: of none that can be */
export function callbackIn(path: string): string | undefined {
  if (!path.startsWith(place)) return undefined
  const id = path.slice(place.length)
  return isCallbackId(id) ? id : ''
}

/** The URL that an agent is given. @param base where agents reach the gateway, without a slash at its end */
export function callbackUrl(base: string, id: string): string {
  return base + place + id
}

/** The callback that a URL is of, if an agent was given it. */
export function callbackOf(url: unknown): string | undefined {
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined
  const { pathname } = new URL(url)
  const at = pathname.lastIndexOf(place)
  const id = at === -1 ? '' : pathname.slice(at + place.length)
  return isCallbackId(id) ? id : undefined
}
