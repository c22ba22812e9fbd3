import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DetectorName } from '../../config/guards.ts'
import { detectors } from './index.ts'
import { patternDetector } from './pattern.ts'

const foundBy = (name: DetectorName, text: string) =>
  detectors[name].find(text).map(({ start, end }) => text.slice(start, end))

const found: Record<DetectorName, string[]> = {
  card: ['4111111111111111', '4111 1111 1111 1111', '3782-822463-10005', '5555555555554444', '6011 1111 1111 1117'],
  iban: [
    'DE89370400440532013000',
    'DE89 3704 0044 0532 0130 00',
    'GB29NWBK60161331926819',
    'NO9386011117947',
    'fr1420041010050500013m02606',
  ],
  email: ['ann@example.com', 'a.b+c@mail.example.co.uk', 'x_1%@sub-domain.example'],
  phone: ['+49 30 901820', '+1 (555) 123-4567', '(555) 123-4567', '555-123-4567', '030/9018-20123', '+442071838750'],
  secret: [
    'sk-proj-abcdefghijklmnopqrstuvwx',
    'sk-ant-api03-abcdefghijklmnop',
    `AIza${'a'.repeat(35)}`,
    'AKIAIOSFODNN7EXAMPLE',
    `ghp_${'a'.repeat(36)}`,
    'glpat-abcdefghij1234567890',
    'xoxb-123456789012-abcdef',
    `hf_${'a'.repeat(34)}`,
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijklmnop',
    'chp_YbydgYmgFcE8_Pp1HKdJmgw2lUiI67nJTk9Yr2bXht5Sxu3eLvDloEw23bFDYZ',
    '-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAAAA\n-----END RSA PRIVATE KEY-----',
  ],
}
const passed: Record<DetectorName, string[]> = {
  card: ['4111111111111112', '1234567890123456', '0000000000000000', '2026-11-23 20:00', 'x4111111111111111'],
  iban: [
    'DE89370400440532013001',
    'DE8937040044053201300',
    'XX89370400440532013000',
    'AB12',
    'CODE89370400440532013000',
  ],
  email: ['ann@localhost', '@example.com', 'ann@', 'a @ b.c'],
  phone: ['2026-11-23', '3.14159265', '1,234,567', 'version 1.2.3', '12345678', '10:30-11:45', '192.168.100.200'],
  secret: ['sk-short', 'task-force-of-many-people', 'AKIA', 'risk-management-department', 'eyJ.eyJ.x'],
}
const names = Object.keys(detectors) as DetectorName[]

describe.each(names)('%s', (name) => {
  test.each(found[name])('finds %s', (value) => {
    expect(foundBy(name, value)).toEqual([value])
    expect(foundBy(name, `It is ${value}, I think.`)).toEqual([value])
    expect(foundBy(name, `(${value})\n`)).toEqual([value])
  })
  test.each(passed[name])('lets %s pass', (value) => {
    expect(foundBy(name, value)).toEqual([])
  })

  test('places are in order and apart, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom(...found[name], ' ', '-')), { maxLength: 12 }),
        (parts) => {
          let end = 0
          for (const place of detectors[name].find(parts.join(''))) {
            expect(place.start).toBeGreaterThanOrEqual(end)
            expect(place.end).toBeGreaterThan(place.start)
            end = place.end
          }
        },
      ),
    )
  })

  test.each([
    ['digits', '1'],
    ['digits and blanks', '1 '],
    ['letters', 'a'],
    ['at signs', 'a@'],
    ['dots', 'a@b.'],
    ['country codes', 'DE89 '],
    ['keys', 'sk-'],
    ['key headers', '-----BEGIN PRIVATE KEY-----'],
    ['plus signs', '+1 '],
    ['zeros', '030-'],
    ['tokens', 'eyJaaaaaaaa.'],
  ])('half a MiB of %s takes no long time', (_, unit) => {
    const text = unit.repeat(Math.ceil(524_288 / unit.length))
    const began = performance.now()
    detectors[name].find(text)
    expect(performance.now() - began).toBeLessThan(1_000)
  })
})

describe('a pattern of the rules', () => {
  test('finds what it says', () => {
    const detector = patternDetector('PROJ-\\d+', 'PROJECT')
    expect(detector.find('see PROJ-12 and PROJ-345')).toEqual([
      { start: 4, end: 11 },
      { start: 16, end: 24 },
    ])
    expect(detector.label).toBe('PROJECT')
  })
  test.each(['(?=a)', '(?<!a)b', '(a)\\1', '(', 'a*', ''])('%s is refused', (source) => {
    expect(() => patternDetector(source, 'X')).toThrow(RangeError)
  })
})
