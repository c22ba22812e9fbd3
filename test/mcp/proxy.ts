import { request as forward } from 'node:http'
import { listen, type Running } from './serve.ts'

/**
 * A reverse proxy that changes nothing but the host: what the runs through the gateway are rehearsed with.
 * @param target the URL of the server; the path of the request is passed on as it is
 */
export function startProxy(target: string): Promise<Running> {
  const { host, hostname, port, pathname } = new URL(target)
  return listen(
    (incoming, outgoing) => {
      const { method, url: path, headers } = incoming
      const onward = forward({ hostname, port, method, path, headers: { ...headers, host } }, (response) => {
        outgoing.writeHead(response.statusCode ?? 502, response.rawHeaders)
        outgoing.flushHeaders()
        response.pipe(outgoing)
      })
      onward.once('error', () => outgoing.destroy())
      outgoing.once('close', () => onward.destroy())
      incoming.pipe(onward)
    },
    { path: pathname },
  )
}
