import { expect, test } from 'vitest'
import { StallWatch, delaySeconds, liveEdge, speedFor, targetDelaySeconds, type Sample } from '../src/player/live-edge'

const sample = (currentTime: number, end: number, nowMs = 0, start = 0): Sample => ({
  nowMs,
  currentTime,
  buffered: [{ start, end }],
})

test('the delay is measured from the newest picture, and unknown while there is none', () => {
  expect(delaySeconds({ nowMs: 0, currentTime: 0, buffered: [] })).toBeUndefined()
  expect(delaySeconds(sample(10, 11.5))).toBe(1.5)
  const withHole: Sample = { nowMs: 0, currentTime: 4, buffered: [{ start: 0, end: 4.1 }, { start: 6, end: 9 }] }
  expect(delaySeconds(withHole)).toBe(5)
  expect(delaySeconds(sample(12, 11.5))).toBe(0)
})

test('a jump leads near the newest picture, and never into a hole', () => {
  expect(liveEdge(sample(0, 30), 1.2)).toBeCloseTo(28.8)
  expect(liveEdge(sample(0, 30, 0, 29.5), 1.2)).toBe(29.5)
})

test('the speed changes at the margins and is kept between them', () => {
  expect([0.2, 1, 2.3].map((delay) => speedFor(delay, 1, 1.2))).toEqual([0.95, 1, 1])
  const fast = speedFor(2.5, 1, 1.2)
  expect(fast).toBeGreaterThan(1)
  expect(speedFor(1.5, fast, 1.2)).toBe(fast)
  expect(speedFor(1.1, fast, 1.2)).toBe(1)
  expect(speedFor(0.5, 0.95, 1.2)).toBe(0.95)
  expect(speedFor(0.9, 0.95, 1.2)).toBe(1)
})

test('a network that runs dry gets more patience, up to a bound', () => {
  expect([0, 1, 3, 4, 50].map(targetDelaySeconds)).toEqual([1.2, 1.7, 2.7, 3.2, 3.2])
  expect(speedFor(3, 1, targetDelaySeconds(4))).toBe(1)
})

test('whatever the delay was at first, it ends between the margins and stays there', () => {
  for (const first of [0.05, 0.5, 1.2, 3, 5.9]) {
    let [delay, speed] = [first, 1]
    for (let step = 0; step < 600; step += 1) {
      speed = speedFor(delay, speed, 1.2)
      delay -= (speed - 1) * 0.25
    }
    expect(delay).toBeGreaterThan(0.34)
    expect(delay).toBeLessThan(2.41)
    expect(speed).toBe(1)
  }
})

/** What a watch advises over the seconds while the picture stands at 10 s and `end` says how much there is. */
function advices(seconds: number, end: (second: number) => number): string[] {
  const watch = new StallWatch()
  return Array.from({ length: seconds }, (_, second) => watch.next(sample(10, end(second), second * 1000)))
}

test('a picture that stands although there is more jumps, and is given up when that doesn’t help', () => {
  expect(advices(7, () => 12)).toEqual(['go on', 'go on', 'jump', 'jump', 'jump', 'jump', 'reconnect'])
})

test('a picture that waits for the network is left alone', () => {
  expect(new Set(advices(60, () => 10.1))).toEqual(new Set(['go on']))
})

test('a picture that moves is left alone, until it is far behind', () => {
  const watch = new StallWatch()
  for (let second = 0; second < 60; second += 1) expect(watch.next(sample(second, second + 2, second * 1000))).toBe('go on')
  expect(watch.next(sample(61, 90, 61_000))).toBe('jump')
})
