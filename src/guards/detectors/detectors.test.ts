import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DetectorName, detectors as names } from '../../config/guards.ts'
import { detectors } from './index.ts'

const placesBy = (name: DetectorName, text: string) => detectors[name].flatMap((detector) => detector.find(text))
const foundBy = (name: DetectorName, text: string) =>
  placesBy(name, text).map(({ start, end }) => text.slice(start, end))

const jwt = (payload: number) => `eyJhbGciOiJSUzI1NiIsImtpZCI6IjEyMyJ9.eyJ${'a'.repeat(payload)}.${'Zz_-'.repeat(85)}`
const base64 = 'MIIEowIBAAKCAQEAx4UbaDzY5xjW6hc9jwN0mX33XpTDVW7qIsu35RxWyMiIPVaf'

const found: Record<DetectorName, string[]> = {
  card: [
    '4111111111111111',
    '4111 1111 1111 1111',
    '4111\u00a01111\u202f1111\u20111111',
    '3782-822463-10005',
    '30569309025904',
    '5555555555554444',
    '2223003122003222',
    '6011 1111 1111 1117',
    '3530111333300000',
    '6759649826438453',
    '4222222222222',
  ],
  iban: [
    'DE89370400440532013000',
    'DE89 3704 0044 0532 0130 00',
    'DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000',
    'GB29NWBK60161331926819',
    'NO9386011117947',
    'MT84MALT011000012345MTLCAST001S',
    'fr1420041010050500013m02606',
  ],
  email: [
    'ann@example.com',
    "o'brien@example.com",
    'a.b+c@mail.example.co.uk',
    'x_1%@sub-domain.example',
    'jörg@müller.de',
    '用户@例子.公司',
    'ann@xn--mller-kva.xn--p1ai',
  ],
  phone: [
    '+49 30 901820',
    '+49 (0)30 / 901820-12',
    '+1 (555) 123-4567',
    '+1.555.123.4567',
    '+33 6 12 34 56 78',
    '+442071838750',
    '+49\u202f30\u202f901820',
    '(555) 123-4567',
    '555-123-4567',
    '555\u2011123\u20114567',
    '555.123.4567',
    '1-800-555-0199',
    '030/9018-20123',
    '(030) 901820',
    '020 7183 8750',
    '06 12 34 56 78',
  ],
  secret: [
    'sk-proj-abcdefgh1jklmnopqrstuvwx',
    'sk-ant-api03-abcdefghijklmnop',
    `AIza${'a'.repeat(35)}`,
    'AKIAIOSFODNN7EXAMPLE',
    `ghp_${'a'.repeat(36)}`,
    `github_pat_${'a1_'.repeat(25)}`,
    'glpat-abcdefghij1234567890',
    'xoxb-123456789012-abcdef',
    `hf_${'a'.repeat(34)}`,
    `SG.${'a'.repeat(22)}.${'b'.repeat(43)}`,
    jwt(20),
    jwt(1_500),
    'chp_YbydgYmgFcE8_Pp1HKdJmgw2lUiI67nJTk9Yr2bXht5Sxu3eLvDloEw23bFDYZ',
    '-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAAAA\n-----END RSA PRIVATE KEY-----',
    `-----BEGIN PRIVATE KEY-----\\n${base64}\\nAAAA\\n-----END PRIVATE KEY-----`,
    `-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,AB12\n\n${base64}\n-----END RSA PRIVATE KEY-----`,
    `-----BEGIN PGP PRIVATE KEY BLOCK-----\nComment: Ann <ann@example.com>\n\n${base64}\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----`,
    `-----BEGIN OPENSSH PRIVATE KEY-----\n${base64}\n${base64}`,
  ],
}
const passed: Record<DetectorName, string[]> = {
  card: [
    '4111111111111112',
    '1234567890123452',
    '0000000000000000',
    '2026-11-23 20:00',
    'x4111111111111111',
    '4111111111111111a',
    '0.4539578763621486',
    '4111111111111111.25',
    '14111111111111111111111',
    '63 70 77 84 91 98 105',
    '4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1',
    '4111  1111  1111  1111',
  ],
  iban: [
    'DE89370400440532013001',
    'DE8937040044053201300',
    'XX89370400440532013000',
    'AB12',
    'CODE89370400440532013000',
    'DE893704004405320130001',
  ],
  email: [
    'ann@localhost',
    '@example.com',
    'ann@',
    'a @ b.c',
    'lodash@4.17.21',
    'git@github.com:owner/name.git',
    '@@a.bc',
  ],
  phone: [
    '2026-11-23',
    '3.14159265',
    '+3.14159265',
    '+1.500.000',
    '+49.150.000',
    '1,234,567',
    'version 1.2.3',
    '12345678',
    '10:30-11:45',
    '192.168.100.200',
    '2026-030-1234567',
    'Mon, 23 Nov 2026 10:00:00 +0100',
    '550e8400-e29b-41d4-a716-446655440000',
    '123-456-7890-1234',
    '+12345678901234567890',
  ],
  secret: [
    'sk-short',
    'sk-learn-contrib-package',
    'hf-internal-testing/tiny-random-model',
    'task-force-of-many-people',
    'AKIA',
    'risk-management-department',
    'eyJ.eyJ.x',
    '-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----',
  ],
}

describe.each(names)('%s', (name) => {
  test.each(found[name])('finds %s', (value) => {
    expect(foundBy(name, value)).toEqual([value])
    expect(foundBy(name, `It is ${value}, I think.`)).toEqual([value])
    expect(foundBy(name, `(${value})\n`)).toEqual([value])
    expect(foundBy(name, `${value}. ${value}`)).toEqual([value, value])
  })

  test.each(found[name])('finds %s in JSON as it is written', (value) => {
    const written = JSON.stringify(value).slice(1, -1)
    expect(foundBy(name, JSON.stringify({ text: `line\n${value}\nline`, value }))).toEqual([written, written])
  })

  test.each(passed[name])('lets %s pass', (value) => {
    expect(foundBy(name, value)).toEqual([])
    expect(foundBy(name, `It is ${value}, I think.`)).toEqual([])
  })

  test('places are in order and apart, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom(...found[name], ' ', '-')), { maxLength: 12 }),
        (parts) => {
          for (const detector of detectors[name]) {
            let end = 0
            for (const place of detector.find(parts.join(''))) {
              expect(place.start).toBeGreaterThanOrEqual(end)
              expect(place.end).toBeGreaterThan(place.start)
              end = place.end
            }
          }
        },
      ),
    )
  })

  test.each([
    ...[
      '1',
      '1 ',
      '4111 ',
      '12 ',
      'a',
      'a@',
      '@',
      'a@b.',
      'a.',
      `${'a'.repeat(62)} b@`,
      `a@${'b.'.repeat(60)}`,
      'DE89 ',
    ],
    ...[
      'sk-',
      '-----BEGIN PRIVATE KEY-----',
      '-----BEGIN PRIVATE KEY-----\n=+',
      '-',
      '-----BEGIN A',
      '+1 ',
      '+',
      '030-',
      '(',
    ],
    ...['eyJaaaaaaaa.', 'eyJ-', `eyJ${'a'.repeat(200)}.`, 'ya29.', '\\n', '😀', 'é'],
    'The quick brown fox, 12 of them, jumped over 3 lazy dogs. ',
  ])('a MiB of %j takes no long time', (unit) => {
    const text = unit.repeat(Math.ceil(1_048_576 / unit.length))
    for (const detector of detectors[name]) {
      let [least, length] = [Infinity, 0]
      // The fastest of three, and far from what more than linear time would need: the machine has other work too.
      for (let run = 0; run < 3 && least >= 1_000; run++) {
        const began = performance.now()
        length = detector.find(text).length + detector.open(text, 0)
        least = Math.min(least, performance.now() - began)
      }
      expect(length).toBeGreaterThan(0)
      expect(least).toBeLessThan(1_000)
    }
  })
})
