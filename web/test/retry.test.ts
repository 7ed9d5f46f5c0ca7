import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { persist, retryDelayMs } from '../src/retry'

let online: boolean
let page: EventTarget

beforeEach(() => {
  vi.useFakeTimers()
  online = true
  page = new EventTarget()
  vi.stubGlobal('window', page)
  vi.stubGlobal('navigator', {
    get onLine() {
      return online
    },
  })
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

function failing(times: number, error: Error = new Error('broken')) {
  let calls = 0
  return vi.fn(() => (++calls <= times ? Promise.reject(error) : Promise.resolve('done')))
}

test('delays double up to half a minute, and at least half of each is waited', () => {
  expect([1, 2, 3, 8, 20].map((failures) => retryDelayMs(failures, () => 1))).toEqual([500, 1000, 2000, 30_000, 30_000])
  expect(retryDelayMs(3, () => 0)).toBe(1000)
})

test('a passing failure is tried again until it works', async () => {
  const attempt = failing(3)
  const result = persist(attempt, { signal: new AbortController().signal, isPassing: () => true })
  await vi.runAllTimersAsync()
  expect(await result).toBe('done')
  expect(attempt).toHaveBeenCalledTimes(4)
})

test('a lasting failure is thrown at once', async () => {
  const attempt = failing(1, new Error('refused'))
  await expect(persist(attempt, { signal: new AbortController().signal, isPassing: () => false })).rejects.toThrow('refused')
  expect(attempt).toHaveBeenCalledTimes(1)
})

test('attempts are limited while online', async () => {
  const attempt = failing(Infinity)
  const result = persist(attempt, { signal: new AbortController().signal, isPassing: () => true, attempts: 3 })
  const outcome = expect(result).rejects.toThrow('broken')
  await vi.runAllTimersAsync()
  await outcome
  expect(attempt).toHaveBeenCalledTimes(3)
})

test('offline nothing is tried, and the network coming back starts at once', async () => {
  const attempt = failing(1)
  const result = persist(attempt, { signal: new AbortController().signal, isPassing: () => true, attempts: 2 })
  online = false
  await vi.advanceTimersByTimeAsync(600_000)
  expect(attempt).toHaveBeenCalledTimes(1)
  online = true
  page.dispatchEvent(new Event('online'))
  expect(await result).toBe('done')
})

test('an abort ends the waiting with its own reason', async () => {
  const stop = new AbortController()
  const result = persist(failing(Infinity), { signal: stop.signal, isPassing: () => true })
  const outcome = expect(result).rejects.toThrow('paused')
  await vi.advanceTimersByTimeAsync(10)
  stop.abort(new Error('paused'))
  await outcome
})
