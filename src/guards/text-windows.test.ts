import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TextWindows } from './text-windows.ts'

function windowsOf(text: string, sizes: readonly number[]): string[] {
  const windows = new TextWindows()
  const all: string[] = []
  for (let at = 0, i = 0; at < text.length; i++) {
    const size = sizes[i % sizes.length]!
    const window = windows.push(text.slice(at, at + size))
    if (window !== undefined) all.push(window)
    at += size
  }
  return [...all, windows.end()]
}

test('nothing is lost, and no window is much longer than it may be', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constantFrom('A sentence. ', 'word ', 'x'.repeat(700), '😀'.repeat(400))), {
        maxLength: 40,
      }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      (parts, sizes) => {
        const text = parts.join('')
        const windows = windowsOf(text, sizes)
        expect(windows.join('')).toBe(text)
        for (const window of windows) expect(window.length).toBeLessThanOrEqual(1_250)
      },
    ),
  )
})

test('windows end with sentences, else with words', () => {
  for (const window of windowsOf('A good sentence. '.repeat(100), [7]).slice(0, -1))
    expect(window).toMatch(/sentence\.$/)
  for (const window of windowsOf('word '.repeat(1_000), [7]).slice(0, -1)) expect(window).toMatch(/word $/)
})
