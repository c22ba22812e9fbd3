// Run in a network namespace of its own, as root: makes the rules of egress.sh in it, and prints what users can reach outside, as JSON.
import { execFile, execFileSync, spawn } from 'node:child_process'
import { createServer } from 'node:net'

const [, , script] = process.argv
const ip = (...args) => execFileSync('ip', args)
const listening = (server) => new Promise((resolve) => server.once('listening', resolve))

// The world outside is another namespace, with servers that take any connection.
const outside = spawn('unshare', [
  '-n',
  process.execPath,
  '-e',
  `
require('node:fs').readSync(0, Buffer.alloc(1))
for (const host of ['192.0.2.2', '198.51.100.7', '2001:db8::2'])
  require('node:net').createServer((socket) => socket.end()).listen(443, host)
process.stdin.on('data', () => require('node:net').connect(8080, '192.0.2.1')
  .on('data', (data) => console.log(String(data))).on('error', (error) => console.log(error.code)))
setTimeout(() => console.log('up'), 100)`,
])
const there = (...args) => execFileSync('nsenter', ['-t', String(outside.pid), '-n', 'ip', ...args])
const said = () => new Promise((resolve) => outside.stdout.once('data', (data) => resolve(String(data).trim())))

ip('link', 'set', 'lo', 'up')
ip('link', 'add', 'inner', 'type', 'veth', 'peer', 'name', 'outer')
await new Promise((resolve) => setTimeout(resolve, 200))
ip('link', 'set', 'outer', 'netns', String(outside.pid))
for (const [run, device, last] of [
  [ip, 'inner', 1],
  [there, 'outer', 2],
]) {
  run('addr', 'add', `192.0.2.${last}/24`, 'dev', device)
  run('addr', 'add', `2001:db8::${last}/64`, 'dev', device, 'nodad')
  run('link', 'set', device, 'up')
}
there('addr', 'add', '198.51.100.7/32', 'dev', 'outer')
ip('route', 'add', 'default', 'via', '192.0.2.2')
const up = said()
outside.stdin.write('\n')
await up

const env = { ...process.env, GATEWAY_UIDS: '10001 1337', ALLOWED_CIDRS: '198.51.100.0/24 2001:db8:1::/64' }
// Twice: a container that is started again makes them again.
for (let i = 0; i < 2; i++) execFileSync('sh', [script], { env })

const gateway = createServer((socket) => socket.end()).listen(10000, '127.0.0.1')
const agent = createServer((socket) => socket.end('hello')).listen(8080, '192.0.2.1')
await Promise.all([listening(gateway), listening(agent)])

const tcp = `
const say = (what) => { console.log(what); process.exit() }
require('node:net').connect({ host: process.argv[1], port: Number(process.argv[2]) })
  .on('connect', () => say('connected')).on('error', ({ code }) => say(code))
setTimeout(say, 3000, 'silence')`
const udp = `
const socket = require('node:dgram').createSocket('udp4')
socket.connect(53, process.argv[1], () => socket.send('x', (error) => { console.log(error?.code ?? 'sent'); process.exit() }))`
const as = (uid, program, ...args) =>
  new Promise((resolve) =>
    execFile(process.execPath, ['-e', program, ...args], { uid, gid: uid }, (_, out) => resolve(out.trim())),
  )

const results = {}
for (const [name, uid] of Object.entries({ gateway: 10001, istio: 1337, agent: 10002, root: 0 })) {
  const [provider, provider6, allowed, loopback, names] = await Promise.all([
    as(uid, tcp, '192.0.2.2', '443'),
    as(uid, tcp, '2001:db8::2', '443'),
    as(uid, tcp, '198.51.100.7', '443'),
    as(uid, tcp, '127.0.0.1', '10000'),
    as(uid, udp, '192.0.2.2'),
  ])
  results[name] = { provider, provider6, allowed, loopback, names }
}
const answer = said()
outside.stdin.write('\n')
results.served = await answer
outside.kill()
console.log(JSON.stringify(results))
process.exit()
