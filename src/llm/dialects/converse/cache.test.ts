import { expect, test } from 'vitest'
import { cachePoint } from './cache.ts'
import { context, models } from './testing.ts'

const short = [{ cachePoint: { type: 'default' } }]
const long = [{ cachePoint: { type: 'default', ttl: '1h' } }]

test.each<[string, Parameters<typeof cachePoint>[1], '5m' | '1h', object[], string[]]>([
  [models.sonnet45, 'messages', '5m', short, []],
  [models.sonnet45, 'messages', '1h', long, []],
  [models.sonnet45, 'system', '1h', long, []],
  [models.sonnet45, 'tools', '5m', short, []],
  // Claude of an hour begins with 4.5, of five minutes with 3.5.
  [models.opus41, 'messages', '1h', short, ['cache.ttl']],
  [models.sonnet37, 'tools', '5m', short, []],
  [models.haiku3, 'messages', '5m', [], ['cache']],
  [models.haiku3, 'messages', '1h', [], ['cache']],
  [models.nova, 'messages', '5m', short, []],
  [models.nova, 'system', '1h', short, ['cache.ttl']],
  [models.nova2, 'tools', '5m', [], ['cache']],
  [models.llama, 'system', '5m', [], ['cache']],
  [models.gptOss, 'messages', '5m', [], ['cache']],
  // Nobody knows what an inference profile of the account's own stands for: as asked.
  [models.profile, 'tools', '1h', long, []],
])('%s, in %s, for %s', (model, place, ttl, written, dropped) => {
  const target = context(model)
  expect(cachePoint({ ttl }, place, target)).toEqual(written)
  expect(target.dropped).toEqual(dropped)
})

test('no marker, no point', () => {
  const target = context(models.llama)
  expect(cachePoint(undefined, 'messages', target)).toEqual([])
  expect(target.dropped).toEqual([])
})
