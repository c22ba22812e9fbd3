// Runs in network and mount namespaces of its own, as root: the gateway, what agents ask for, and an agent of another user whose
// connections the kernel sends to the gateway. Prints what the agent saw.
//   namespace.mjs DIRECTORY TLS-DIRECTORY (ENVOY_PATH is set)
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'

const [directory, tls] = process.argv.slice(2)
const root = join(import.meta.dirname, '../..')
const [proxyPort, mockPort] = [15001, 18080]
const inside = '10.9.9.9'
chmodSync(directory, 0o755)
for (const args of [
  ['link', 'set', 'lo', 'up'],
  ['addr', 'add', `${inside}/32`, 'dev', 'lo'],
  ['addr', 'add', '198.51.100.10/32', 'dev', 'lo'],
])
  execFileSync('ip', args)
const hosts = join(directory, 'hosts')
writeFileSync(hosts, `127.0.0.1 localhost\n${inside} provider.test plain.test denied.test\n`)
execFileSync('mount', ['--bind', hosts, '/etc/hosts'])

const listen = (server, port, host) => new Promise((resolve) => server.listen(port, host, resolve))
const answer = {
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'caught' }, finish_reason: 'stop' }],
}
await listen(
  createServer((request, response) => {
    request.resume()
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer))
  }),
  mockPort,
  '127.0.0.1',
)
const own = { key: readFileSync(join(tls, 'provider-key.pem')), cert: readFileSync(join(tls, 'provider.pem')) }
await listen(
  createSecureServer(own, (_, response) => response.end('from elsewhere')),
  443,
  inside,
)
await listen(
  createServer((_, response) => response.end('from plain')),
  80,
  inside,
)
await listen(
  createTcpServer((socket) => socket.end('a server that speaks first')),
  5432,
  inside,
)
await listen(
  createTcpServer((socket) => socket.end('not for agents')),
  5433,
  inside,
)

const rules = join(directory, 'chaperone.yaml')
writeFileSync(
  rules,
  JSON.stringify({
    listeners: { caught: { port: proxyPort, serves: ['egress'], transparent: true } },
    telemetry: { port: 18081 },
    providers: { mock: { type: 'openai-compatible', baseUrl: `http://127.0.0.1:${mockPort}/v1` } },
    models: { 'gpt-*': { targets: [{ provider: 'mock' }] } },
    egress: {
      authority: { directory: join(directory, 'authority') },
      rules: [
        { name: 'elsewhere', hosts: ['provider.test', 'plain.test'], action: 'allow', addresses: ['private'] },
        { name: 'database', hosts: [inside], ports: [5432], action: 'log' },
      ],
    },
  }),
)
const gateway = spawn(process.execPath, [join(root, 'bin/chaperone.mjs'), 'run', '--file', rules], {
  env: { ...process.env, CHAPERONE_STATE: join(directory, 'state') },
  stdio: ['ignore', 'pipe', 'pipe'],
})
let said = ''
const ready = new Promise((resolve, reject) => {
  for (const stream of [gateway.stdout, gateway.stderr])
    stream.on('data', (piece) => {
      said += piece
      if (said.includes('Chaperone is ready')) resolve()
    })
  gateway.once('exit', () => reject(new Error(said)))
})
await ready
const script = join(root, 'envoy/iptables.sh')
const env = { ...process.env, GATEWAY_UID: '0', AGENT_UID: '10002', PORT: String(proxyPort) }
execFileSync(script, ['add'], { env })

/** What the agent, a user of its own without privileges, sees of a command. */
function agent(command, ...args) {
  const options = ['--reuid', '10002', '--regid', '10002', '--clear-groups', command, ...args]
  // Not synchronous: the servers are in this process.
  return new Promise((resolve) => {
    const child = spawn('setpriv', options, { env: { PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'ignore'] })
    let text = ''
    child.stdout.on('data', (piece) => {
      text += piece
    })
    child.on('exit', (code) => resolve({ code, text }))
  })
}
const curl = (...args) => agent('curl', '--silent', '--max-time', '10', ...args)
const tcp = (port) => agent('timeout', '10', 'bash', '-c', `cat < /dev/tcp/${inside}/${port}`)
const ca = join(directory, 'authority/ca.pem')
const testCa = join(directory, 'test-ca.pem')
writeFileSync(testCa, readFileSync(join(tls, 'ca.pem')))
const result = {
  // Nobody listens where the name leads.
  model: await curl(
    '--resolve',
    'api.openai.com:443:198.51.100.10',
    '--cacert',
    ca,
    'https://api.openai.com/v1/chat/completions',
    '--json',
    '{"model":"gpt-5","messages":[{"role":"user","content":"hello"}]}',
  ),
  elsewhere: await curl('--cacert', testCa, 'https://provider.test/'),
  // A false name gets to the host of that name, and its own certificate.
  falseName: await curl('--resolve', 'provider.test:443:198.51.100.10', '--cacert', testCa, 'https://provider.test/'),
  denied: await curl('--insecure', 'https://denied.test/'),
  plain: await curl('http://plain.test/'),
  plainDenied: await curl('http://denied.test/'),
  database: await tcp(5432),
  other: await tcp(5433),
}
execFileSync(script, ['remove'], { env })
result.removed = await tcp(5433)
result.rulesLeft = spawnSync('iptables-save', { encoding: 'utf8' }).stdout.includes('CHAPERONE')
result.log = said
process.stdout.write(JSON.stringify(result))
gateway.kill('SIGKILL')
process.exit(0)
