import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { Sealer } from '../seal.ts'
import { Sessions } from './session.ts'

const key = (id: string) => ({ id, secret: randomBytes(32) })

function begun(sealer: Sealer, sessions: Sessions) {
  const session = sessions.begin('2025-11-25', { sampling: {} }, { name: 'c', version: '1' })
  session.set('one', { id: 'inner', version: '2025-06-18', host: '10.0.0.1:80' }, { tools: {} })
  return { session, text: sessions.seal(session, 'ann'), sealer }
}

test('any process with the keys opens it, as often as it comes', () => {
  const keys = [key('a')]
  const { session, text } = begun(new Sealer(keys), new Sessions(new Sealer(keys), 60))
  const other = new Sessions(new Sealer(keys), 60)
  for (let i = 0; i < 3; i++) {
    const opened = other.open(text, 'ann')
    expect(opened).toMatchObject({ id: session.id, version: '2025-11-25', capabilities: { sampling: {} } })
    expect(opened.get('one')).toEqual({
      session: { id: 'inner', version: '2025-06-18', host: '10.0.0.1:80' },
      capabilities: { tools: {} },
    })
  }
})

test('what was opened once is nothing to another caller, is over in time, and with its key', () => {
  const [old, fresh] = [key('a'), key('b')]
  const sealer = new Sealer([old])
  const sessions = new Sessions(sealer, 60)
  const { text } = begun(sealer, sessions)
  sessions.open(text, 'ann')
  expect(() => sessions.open(text, 'bob')).toThrow('no such session')
  sealer.use([fresh, old])
  sessions.open(text, 'ann')
  sealer.use([fresh])
  expect(() => sessions.open(text, 'ann')).toThrow('no such session')
  const short = new Sessions(sealer, -10)
  const { text: late } = begun(sealer, short)
  expect(() => short.open(late, 'ann')).toThrow('expired')
})

test('what a server lost is not taken from the seal again', () => {
  const sealer = new Sealer([])
  const sessions = new Sessions(sealer, 60)
  const { text } = begun(sealer, sessions)
  sessions.open(text, 'ann').delete('one')
  expect(sessions.open(text, 'ann').get('one')).toBeUndefined()
})

test('one that was ended is over', () => {
  const sealer = new Sealer([])
  const sessions = new Sessions(sealer, 60)
  const { text } = begun(sealer, sessions)
  sessions.end(sessions.open(text, 'ann'))
  expect(() => sessions.open(text, 'ann')).toThrow('was ended')
})

test('with a hundred servers it is still a header that clients take', () => {
  const sealer = new Sealer([])
  const sessions = new Sessions(sealer, 60)
  const session = sessions.begin('2025-11-25', { sampling: {}, elicitation: {} }, { name: 'c', version: '1' })
  const can = {
    tools: { listChanged: true },
    prompts: {},
    resources: { subscribe: true, listChanged: true },
    logging: {},
  }
  for (let i = 0; i < 100; i++) {
    const inner = { id: randomBytes(16).toString('hex'), version: '2025-06-18', host: 'MTAuMC4wLjEyMzo4MDgw' }
    session.set(`server-${i}`, inner, i % 2 ? can : { tools: {} })
  }
  const text = sessions.seal(session, 'ann')
  // Node's own limit for all headers together is 16 KiB.
  expect(text.length).toBeLessThan(14 * 1024)
  expect(sessions.open(text, 'ann').get('server-7')).toMatchObject({
    capabilities: can,
    session: { version: '2025-06-18' },
  })
})
