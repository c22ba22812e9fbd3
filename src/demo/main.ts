import { createServer, type RequestListener } from 'node:http'
import { parseArgs } from 'node:util'
import { ServerCredentials } from '@grpc/grpc-js'
import { agent } from './agent.ts'
import { orders } from './orders.ts'
import { shop } from './shop.ts'
import { tools } from './tools.ts'

/**
 * One demo upstream a process: `main.ts tools|agent|shop|orders --host ADDRESS --port PORT [--url URL]`. `--url` is what an
 * agent's card says of where it is.
 */

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '0' },
    url: { type: 'string' },
  },
})
const { host } = values
const port = Number(values.port)
const [kind] = positionals

function serve(listener: RequestListener): void {
  createServer(listener).listen(port, host)
}

switch (kind) {
  case 'tools':
    serve(tools())
    break
  case 'agent':
    serve(agent(values.url ?? `http://${host}:${port}/`))
    break
  case 'shop':
    serve(shop())
    break
  case 'orders':
    orders().bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error) => {
      if (error) throw error
    })
    break
  default:
    throw new Error(`there is tools, agent, shop and orders, but not ${kind}`)
}
process.once('SIGTERM', () => process.exit(0))
