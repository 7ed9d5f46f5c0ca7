const FIRST_DELAY_MS = 500
const LONGEST_DELAY_MS = 30_000

export interface Persistence {
  signal: AbortSignal
  /** Whether the same attempt may succeed later. Everything else is thrown at once. */
  isPassing(error: unknown): boolean
  /** Called before each wait, with what went wrong. */
  onSetback?(error: unknown): void
  /** How often to try while the browser believes to be online. Time spent offline counts as nothing. */
  attempts?: number
}

/** Tries until it works: waits longer after each failure, with jitter, and goes on at once when the network comes back. */
export async function persist<Result>(attempt: () => Promise<Result>, persistence: Persistence): Promise<Result> {
  const { signal, isPassing, onSetback, attempts = 10 } = persistence
  for (let failures = 0; ; ) {
    signal.throwIfAborted()
    await untilOnline(signal)
    try {
      return await attempt()
    } catch (error) {
      signal.throwIfAborted()
      if (!isPassing(error)) throw error
      if (navigator.onLine) failures += 1
      if (failures >= attempts) throw error
      onSetback?.(error)
      await pauseBetweenAttempts(retryDelayMs(failures), signal)
    }
  }
}

/** Half of the delay is fixed and half is chance, so that six lanes that failed together don't return together. */
export function retryDelayMs(failures: number, chance: () => number = Math.random): number {
  const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1))
  return ceiling / 2 + (ceiling / 2) * chance()
}

/** Waits for the browser to be online; returns at once when it is. */
export function untilOnline(signal: AbortSignal): Promise<void> {
  if (navigator.onLine) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const finished = new AbortController()
    window.addEventListener('online', () => settle(resolve), { signal: finished.signal })
    signal.addEventListener('abort', () => settle(() => reject(signal.reason)), { signal: finished.signal })
    function settle(outcome: () => void): void {
      finished.abort()
      outcome()
    }
  })
}

/** Waits for a while, or until the network comes back, whichever is first. */
export function pauseBetweenAttempts(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finished = new AbortController()
    const timer = setTimeout(() => settle(resolve), delayMs)
    window.addEventListener('online', () => settle(resolve), { signal: finished.signal })
    signal.addEventListener('abort', () => settle(() => reject(signal.reason)), { signal: finished.signal })
    function settle(outcome: () => void): void {
      clearTimeout(timer)
      finished.abort()
      outcome()
    }
  })
}

/** A pause that an abort ends by rejecting. */
export function wait(delayMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, delayMs)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
