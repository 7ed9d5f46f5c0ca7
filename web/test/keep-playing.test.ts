import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Problem } from '../src/api/problem'
import { keepPlaying } from '../src/player/keep-playing'
import type { End } from '../src/player/live-picture'

/** What becomes of a connection: refused at once, or it ends that way after a while. */
type Fate = Problem | { end: End; afterMs: number }

let connections: number
let setbacks: number
let untilLive: () => Promise<void>
let stop: AbortController
let outcome: unknown

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('window', new EventTarget())
  vi.stubGlobal('navigator', { onLine: true })
  vi.spyOn(Math, 'random').mockReturnValue(1)
  connections = setbacks = 0
  outcome = undefined
  untilLive = () => Promise.resolve()
  stop = new AbortController()
})

afterEach(() => {
  stop.abort()
  vi.useRealTimers()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

/** Plays connections with these fates one after the other, and the one after them until it is stopped. */
function play(...fates: Fate[]): void {
  const playOnce = (): Promise<End> => {
    connections += 1
    const fate = fates.shift()
    if (fate instanceof Problem) return Promise.reject(fate)
    return new Promise((resolve) => {
      stop.signal.addEventListener('abort', () => resolve('stopped'))
      if (fate) setTimeout(() => resolve(fate.end), fate.afterMs)
    })
  }
  keepPlaying({ playOnce, untilLive: () => untilLive(), onSetback: () => (setbacks += 1), stop: stop.signal }).then(
    (end) => (outcome = end),
    (error: unknown) => (outcome = error),
  )
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const down = Problem.unreachable()
const forbidden = new Problem(403, 'not-allowed-to-watch', 'Not allowed.')

test('a stream that ends is taken up again half a second later', async () => {
  play({ end: 'ended', afterMs: 60_000 })
  await pass(60_400)
  expect([connections, setbacks]).toEqual([1, 1])
  await pass(100)
  expect(connections).toBe(2)
})

test('waits double up to eight seconds while nobody answers, and it never gives up', async () => {
  play(...Array<Problem>(1000).fill(down))
  const attemptsAt: number[] = []
  for (let second = 0; second < 60; second += 0.5) {
    await pass(0)
    if (connections > attemptsAt.length) attemptsAt.push(second)
    await pass(500)
  }
  expect(attemptsAt).toEqual([0, 0.5, 1.5, 3.5, 7.5, 15.5, 23.5, 31.5, 39.5, 47.5, 55.5])
})

test('a steady picture makes earlier failures forgotten, a short one doesn’t', async () => {
  play(down, down, { end: 'stuck', afterMs: 5_000 }, { end: 'ended', afterMs: 20_000 })
  await pass(500 + 1000 + 5_000 + 1_900)
  expect(connections).toBe(3)
  await pass(100)
  expect(connections).toBe(4)
  await pass(20_000 + 500)
  expect(connections).toBe(5)
})

test('who is refused once is asked for again, and who is refused twice is told', async () => {
  play(forbidden, down, forbidden)
  await pass(60_000)
  expect(connections).toBe(3)
  expect(outcome).toBe(forbidden)
})

test('a silent channel is waited for before it is connected to again', async () => {
  let begin = (): void => undefined
  untilLive = () => new Promise((resolve) => (begin = resolve))
  play({ end: 'silent', afterMs: 10_000 })
  await pass(1_000_000)
  expect(connections).toBe(1)
  begin()
  await pass(500)
  expect(connections).toBe(2)
})

test('a format that the browser doesn’t know is told, and not tried again', async () => {
  play({ end: 'unplayable', afterMs: 100 })
  await pass(60_000)
  expect(connections).toBe(1)
  expect(String(outcome)).toContain('can’t play this channel’s format')
})

test('a pause by the browser ends it', async () => {
  play({ end: 'paused', afterMs: 100 })
  await pass(60_000)
  expect([connections, outcome]).toEqual([1, 'paused'])
})

test('being stopped ends it in mid-picture and in mid-wait', async () => {
  play()
  await pass(0)
  stop.abort()
  await pass(60_000)
  expect([connections, outcome]).toEqual([1, 'stopped'])
  stop = new AbortController()
  play(down)
  await pass(100)
  stop.abort()
  await pass(60_000)
  expect(connections).toBe(2)
})
