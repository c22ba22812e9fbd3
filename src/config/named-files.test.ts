import { expect, test } from 'vitest'
import { checkNamedFiles } from './named-files.ts'
import { pathText } from './path.ts'
import { type RulesInput, rulesSchema } from './schema.ts'

const findings = (input: RulesInput, here = true) =>
  checkNamedFiles(rulesSchema.parse(input), here).map(({ path, message }) => `${pathText(path)}: ${message}`)

test('files that are not there are told by their place in the rules, where Envoy has the same files', () => {
  const rules: RulesInput = {
    listeners: {
      web: { tls: { certificateFile: '/no/cert.pem', keyFile: '/no/key.pem', clientCaFile: '/no/ca.pem' } },
    },
    http: {
      services: { s: { url: 'https://s', tls: { caFile: '/no/ca.pem' } } },
      routes: [{ name: 'r', service: 's', basicAuth: { usersFile: '/no/users' } }],
    },
  }
  expect(findings(rules)).toEqual([
    'listeners.web.tls.clientCaFile: there is no file /no/ca.pem',
    'listeners.web.tls.keyFile: there is no file /no/key.pem',
    'listeners.web.tls.certificateFile: there is no file /no/cert.pem',
    'http.services.s.tls.caFile: there is no file /no/ca.pem',
    'http.routes[0].basicAuth.usersFile: there is no file /no/users',
  ])
  expect(findings(rules, false)).toEqual([])
})

test('pairs that do not match are told wherever the files can be read', () => {
  const tls = { certificateFile: 'test/tls/listener-1.pem', keyFile: 'test/tls/listener-1-key.pem' }
  expect(findings({ listeners: { web: { tls } } })).toEqual([])
  const wrong = { ...tls, keyFile: 'test/tls/client-key.pem' }
  const message =
    'keyFile: the key in test/tls/client-key.pem is not the one of the certificate in test/tls/listener-1.pem'
  expect(findings({ listeners: { web: { tls: wrong } } }, false)).toEqual([`listeners.web.tls.${message}`])
  const several = {
    certificates: [
      { hosts: ['a.test'], ...tls },
      { hosts: ['b.test'], ...wrong },
    ],
  }
  expect(findings({ listeners: { web: { tls: several } } }, false)).toEqual([
    `listeners.web.tls.certificates[1].${message}`,
  ])
})
