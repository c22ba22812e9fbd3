import { expect, test } from 'vitest'
import { Histograms } from './histograms.ts'

test('a boundary belongs to the bucket below it, and the last bucket has no end', async () => {
  const histograms = new Histograms()
  const histogram = histograms.create('t', 's', 'times', [1, 10])
  for (const value of [0, 1, 1.01, 10, 11, 1e9]) histogram.record('k', value, () => ({ a: 'b' }))
  const { resourceMetrics } = await histograms.collect()
  const [point] = resourceMetrics.scopeMetrics[0]!.metrics[0]!.dataPoints
  expect(point).toMatchObject({
    attributes: { a: 'b' },
    value: { buckets: { boundaries: [1, 10], counts: [2, 2, 2] }, count: 6, sum: 1000000023.01 },
  })
})

test('what has been read does not change afterwards', async () => {
  const histograms = new Histograms()
  const histogram = histograms.create('t', 's', 'times', [1])
  histogram.record('k', 0.5, () => ({}))
  const before = histogram.collect().dataPoints[0]!
  histogram.record('k', 0.5, () => ({}))
  expect(before.value).toMatchObject({ count: 1, buckets: { counts: [1, 0] } })
  expect(histogram.collect().dataPoints[0]!.value.buckets.counts).toEqual([2, 0])
})

test('labels are asked for once a key', () => {
  const histogram = new Histograms().create('t', 's', 'times', [1])
  let asked = 0
  const attributes = () => ({ n: ++asked })
  for (const key of ['a', 'b', 'a', 'b']) histogram.record(key, 1, attributes)
  expect(histogram.collect().dataPoints.map((point) => point.attributes)).toEqual([{ n: 1 }, { n: 2 }])
})
