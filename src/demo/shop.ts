import type { RequestListener } from 'node:http'

const items = [
  { id: 1, name: 'lamp', price: 25 },
  { id: 2, name: 'chair', price: 80 },
]

/** A small HTTP service: `/items`, `/items/ID`, and `/unwell`, which always fails. */
export function shop(): RequestListener {
  return (request, response) => {
    request.resume()
    const { pathname } = new URL(request.url ?? '/', 'http://shop')
    const [, first, id] = pathname.split('/')
    const item = items.find((each) => String(each.id) === id)
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (pathname === '/healthz') answer(200, { well: true })
    else if (pathname === '/unwell') answer(503, { error: 'this always fails' })
    else if (first !== 'items' || (id !== undefined && !item)) answer(404, { error: 'there is no such thing' })
    else answer(200, item ?? items)
  }
}
