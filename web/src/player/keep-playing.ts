import { Problem } from '../api/problem'
import { pauseBetweenAttempts, retryDelayMs, untilOnline } from '../retry'
import type { End } from './live-picture'

/** A picture that ran for so long makes earlier setbacks forgotten. */
const STEADY_AFTER_MS = 10_000
/** With so many failures the waits stop growing, at 8 seconds: there is something to miss. */
const COUNTED_FAILURES = 5
/** A relay that was started a moment ago may not know the newest keys yet: only a second refusal counts. */
const REFUSALS_BELIEVED = 2

export interface Connecting {
  /** Connects and plays, until there is an end. */
  playOnce(): Promise<End>
  /** Waits while the channel is known not to be live. */
  untilLive(): Promise<void>
  /** Called before each wait for the next attempt. */
  onSetback(): void
  stop: AbortSignal
}

/**
 * Connects again and again, whenever a stream has ended, after waits that grow. Resolves when it was stopped or paused, and rejects when
 * going on is pointless: with a sentence for who watches.
 */
export async function keepPlaying({ playOnce, untilLive, onSetback, stop }: Connecting): Promise<'stopped' | 'paused'> {
  let failures = 0
  let refusals = 0
  for (;;) {
    await untilOnline(stop)
    const startedMs = performance.now()
    try {
      const end = await playOnce()
      refusals = 0
      if (end === 'stopped' || end === 'paused') return end
      if (end === 'unplayable') throw new Error('This browser can’t play this channel’s format; another browser or device may.')
      if (end === 'silent') await untilLive()
    } catch (error) {
      stop.throwIfAborted()
      if (!(error instanceof Problem)) throw error
      if (!error.isPassing && ++refusals >= REFUSALS_BELIEVED) throw error
    }
    if (performance.now() - startedMs >= STEADY_AFTER_MS) failures = 0
    failures += 1
    onSetback()
    await pauseBetweenAttempts(retryDelayMs(Math.min(failures, COUNTED_FAILURES)), stop)
  }
}
